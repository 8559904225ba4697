"""Products, versions and verdicts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json, Key, UtcTime, ordered_text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "product",
        sa.Column("product_id", Key, primary_key=True),
        sa.Column("directory", ordered_text(512), nullable=False),
        sa.Column("filename", sa.String(256), nullable=False),
        sa.Column("semantic_type", sa.String(256), nullable=False),
        sa.Column("mime_type", sa.String(128)),
        sa.Column("generator_task_id", Key, nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("planned_at", UtcTime, nullable=False),
        sa.Column("planned", sa.Boolean, nullable=False),
        sa.Column("details", Json, nullable=False),
        sa.UniqueConstraint("directory", "filename", name="uq_product_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_product_directory", "product", ["directory", "product_id"])
    op.create_index("ix_product_job", "product", ["job_id", "product_id"])
    op.create_index("ix_product_semantic_type", "product", ["semantic_type", "product_id"])
    op.create_table(
        "version",
        sa.Column("version_id", Key, primary_key=True),
        sa.Column("product_id", Key, sa.ForeignKey("product.product_id"), nullable=False),
        sa.Column("attempt_id", Key, nullable=False),
        sa.Column("task_id", Key, nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("store_name", sa.String(128), nullable=False),
        sa.Column("md5", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", Key, nullable=False),
        sa.Column("mime_type", sa.String(128), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("passed_qc", sa.Boolean),
        sa.Column("damaged_at", UtcTime),
        sa.Column("details", Json, nullable=False),
        sa.UniqueConstraint("product_id", "attempt_id", name="uq_version_attempt"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_version_attempt", "version", ["attempt_id", "version_id"])
    op.create_index("ix_version_task", "version", ["task_id", "version_id"])
    op.create_index("ix_version_job", "version", ["job_id", "version_id"])
    op.create_index("ix_version_store_name", "version", ["store_name"])
    op.create_table(
        "verdict",
        sa.Column("verdict_id", Key, primary_key=True),
        sa.Column("version_id", Key, sa.ForeignKey("version.version_id"), nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("author", sa.String(256), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("decided_at", UtcTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_verdict_version", "verdict", ["version_id", "verdict_id"])


def downgrade() -> None:
    """Take the tables back."""
    for table in ("verdict", "version", "product"):
        op.drop_table(table)

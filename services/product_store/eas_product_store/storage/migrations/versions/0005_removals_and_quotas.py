"""Versions that are pinned or removed, files that nobody needs, and quotas."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Key, UtcTime, ordered_text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("version", sa.Column("pin", sa.Text, nullable=True))
    op.add_column("version", sa.Column("deleted_at", UtcTime, nullable=True))
    op.add_column("version", sa.Column("deletion", sa.Text, nullable=True))
    op.add_column("version", sa.Column("purged_at", UtcTime, nullable=True))
    op.create_index("ix_version_sha256", "version", ["sha256"])
    op.create_table(
        "condemned",
        sa.Column("version_id", Key, sa.ForeignKey("version.version_id"), primary_key=True),
        sa.Column("deleted_at", UtcTime, nullable=False),
    )
    op.create_table("garbage", sa.Column("store_name", sa.String(128), primary_key=True))
    op.create_table(
        "quota",
        sa.Column("directory", ordered_text(512), primary_key=True),
        sa.Column("max_bytes", Key, nullable=False),
        sa.Column("used_bytes", Key, nullable=False),
    )


def downgrade() -> None:
    """Take the tables back."""
    for table in ("quota", "garbage", "condemned"):
        op.drop_table(table)
    op.drop_index("ix_version_sha256", "version")
    for column in ("purged_at", "deletion", "deleted_at", "pin"):
        op.drop_column("version", column)

"""Uploads in pieces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json, Key, UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "upload",
        sa.Column("upload_id", sa.String(32), primary_key=True),
        sa.Column("deposit", Json, nullable=False),
        sa.Column("size", Key),
        sa.Column("md5", sa.String(32)),
        sa.Column("sha256", sa.String(64)),
        sa.Column("touched_at", UtcTime, nullable=False),
        sa.Column("version_id", Key),
    )
    op.create_index("ix_upload_touched", "upload", ["touched_at"])


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("upload")

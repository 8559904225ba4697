"""Tasks that are tried again with changed settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json, UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("task", sa.Column("changed_settings", Json(), nullable=True))
    op.add_column("task", sa.Column("changed_by", sa.String(256), nullable=True))
    op.add_column("task", sa.Column("changed_at", UtcTime(), nullable=True))


def downgrade() -> None:
    """Take the tables back."""
    with op.batch_alter_table("task") as task:
        task.drop_column("changed_at")
        task.drop_column("changed_by")
        task.drop_column("changed_settings")

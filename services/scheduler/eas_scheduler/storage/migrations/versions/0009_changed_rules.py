"""Tasks that are tried again by other rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("task", sa.Column("changed_execution", Json(), nullable=True))


def downgrade() -> None:
    """Take the tables back."""
    with op.batch_alter_table("task") as task:
        task.drop_column("changed_execution")

"""Which tasks the scheduler lost when it was restored to an earlier moment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Key

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "lost_tasks",
        sa.Column("first_id", Key, primary_key=True, autoincrement=False),
        sa.Column("end_id", Key, nullable=False),
    )


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("lost_tasks")

"""Which workers were lost, so that losses are held only against tasks that were there each time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Key, UtcTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "worker_loss",
        sa.Column("id", Key, primary_key=True),
        sa.Column("worker_id", sa.String(64), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
    )
    op.create_index("ix_worker_loss_worker", "worker_loss", ["worker_id", "at"])


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("worker_loss")

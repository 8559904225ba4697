"""Why a worker takes nothing at present, and how far its clock is ahead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("worker", sa.Column("paused", sa.String(512), nullable=True))
    op.add_column("worker", sa.Column("clock_offset", sa.Float(), nullable=True))


def downgrade() -> None:
    """Take the tables back."""
    with op.batch_alter_table("worker") as worker:
        worker.drop_column("clock_offset")
        worker.drop_column("paused")

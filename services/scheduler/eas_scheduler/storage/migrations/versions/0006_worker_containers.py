"""What kind of worker each worker is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("worker", sa.Column("container", sa.String(64), nullable=True))


def downgrade() -> None:
    """Take the tables back."""
    with op.batch_alter_table("worker") as worker:
        worker.drop_column("container")

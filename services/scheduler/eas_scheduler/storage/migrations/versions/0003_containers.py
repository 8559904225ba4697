"""Worker containers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "container",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("requested_cpu", sa.Float(), nullable=False),
        sa.Column("requested_gpu", sa.Integer(), nullable=False),
        sa.Column("requested_memory_gb", sa.Float(), nullable=False),
        sa.Column("assigned_cpu", sa.Float(), nullable=False),
        sa.Column("assigned_gpu", sa.Integer(), nullable=False),
        sa.Column("assigned_memory_gb", sa.Float(), nullable=False),
    )
    op.create_table(
        "container_task_type",
        sa.Column("container", sa.String(64), sa.ForeignKey("container.name", ondelete="CASCADE"), primary_key=True),
        sa.Column("task_type", sa.String(64), primary_key=True),
    )


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("container_task_type")
    op.drop_table("container")

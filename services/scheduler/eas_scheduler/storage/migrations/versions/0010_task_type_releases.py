"""Which version of a task type was registered when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Key, UtcTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward; what is registered now counts from when it was announced last."""
    op.create_table(
        "task_type_release",
        sa.Column("id", Key, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("announced_at", UtcTime(), nullable=False),
    )
    op.create_index("ix_task_type_release_name", "task_type_release", ["name", "id"])
    op.execute(
        "INSERT INTO task_type_release (name, version, announced_at) SELECT name, version, announced_at FROM task_type"
    )


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("task_type_release")

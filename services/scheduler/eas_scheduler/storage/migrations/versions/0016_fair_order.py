"""The place of an attempt in its queue, in which jobs take turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_CLAIMABLE = sa.text("state = 'queued' AND NOT held")


def upgrade() -> None:
    """Bring the tables forward. What is queued already is claimed by age."""
    op.add_column("attempt", sa.Column("start_tag", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE attempt SET start_tag = id WHERE state = 'queued'")
    _replace_index(["task_type", "priority", "start_tag", "id"])


def downgrade() -> None:
    """Take the tables back."""
    _replace_index(["task_type", "priority", "id"])
    with op.batch_alter_table("attempt") as attempt:
        attempt.drop_column("start_tag")


def _replace_index(columns: list[str]) -> None:
    if op.get_bind().dialect.name == "mysql":
        op.drop_index("ix_attempt_queue_by_state", "attempt")
        op.create_index("ix_attempt_queue_by_state", "attempt", ["state", "held", *columns])
    else:
        op.drop_index("ix_attempt_queue", "attempt")
        op.create_index("ix_attempt_queue", "attempt", columns, sqlite_where=_CLAIMABLE, postgresql_where=_CLAIMABLE)

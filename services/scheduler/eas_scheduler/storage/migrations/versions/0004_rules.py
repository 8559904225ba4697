"""Rules for attempts: of a task, of its type, and what came of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_attempt_delayed": ("not_before", "state = 'queued' AND held AND not_before IS NOT NULL"),
    "ix_attempt_overdue": ("overdue_at", "state = 'queued' AND NOT held AND overdue_at IS NOT NULL"),
}


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "task_type_rules",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("rules", sa.Text(length=2**31 - 1), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.String(256), nullable=False),
    )
    op.add_column("task", sa.Column("execution", sa.Text(length=2**31 - 1)))
    op.add_column("attempt", sa.Column("not_before", sa.BigInteger()))
    op.add_column("attempt", sa.Column("overdue_at", sa.BigInteger()))
    op.add_column("attempt", sa.Column("run_timeout", sa.Float()))
    op.add_column("attempt", sa.Column("memory_gb", sa.Float()))
    for name, (column, where) in _INDEXES.items():
        op.create_index(name, "attempt", [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    """Take the tables back."""
    for name in _INDEXES:
        op.drop_index(name, "attempt")
    for column in ("not_before", "overdue_at", "run_timeout", "memory_gb"):
        op.drop_column("attempt", column)
    op.drop_column("task", "execution")
    op.drop_table("task_type_rules")

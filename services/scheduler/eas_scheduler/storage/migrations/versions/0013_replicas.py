"""Who leads, which workers are to stop, and which attempts have been rung for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Key, UtcTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_RUNG = sa.text("state = 'queued' AND NOT held AND rung_at IS NOT NULL")
_UNRUNG = sa.text("state = 'queued' AND NOT held AND rung_at IS NULL")


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "leadership",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("fence", Key, nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
    )
    op.add_column("worker", sa.Column("draining", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("attempt", sa.Column("rung_at", UtcTime(), nullable=True))
    if op.get_bind().dialect.name == "mysql":
        op.create_index("ix_attempt_unrung_by_state", "attempt", ["state", "held", "task_type", "rung_at", "id"])
    else:
        for name, columns, where in (
            ("ix_attempt_unrung", ["task_type", "id"], _UNRUNG),
            ("ix_attempt_rung", ["task_type", "rung_at"], _RUNG),
        ):
            op.create_index(name, "attempt", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Take the tables back."""
    if op.get_bind().dialect.name == "mysql":
        op.drop_index("ix_attempt_unrung_by_state", "attempt")
    else:
        op.drop_index("ix_attempt_unrung", "attempt")
        op.drop_index("ix_attempt_rung", "attempt")
    with op.batch_alter_table("attempt") as attempt:
        attempt.drop_column("rung_at")
    with op.batch_alter_table("worker") as worker:
        worker.drop_column("draining")
    op.drop_table("leadership")

"""What users' control of jobs and loops of unknown length need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("job", sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("job", sa.Column("idempotency_key", sa.String(128), nullable=True))
    op.create_index("ux_job_idempotency_key", "job", ["idempotency_key"], unique=True)
    op.add_column("task", sa.Column("iteration", sa.Integer(), server_default="0", nullable=False))
    op.add_column("task", sa.Column("excuse", sa.Text(2**31 - 1), nullable=True))
    op.add_column("attempt", sa.Column("held", sa.Boolean(), server_default=sa.false(), nullable=False))
    _replace_queue_index("state = 'queued' AND NOT held")
    op.create_index("ix_attempt_job", "attempt", ["job_id"])
    op.create_index("ix_transition_job", "transition", ["job_id", "id"])
    op.add_column("worker", sa.Column("task_types", Json(), nullable=True))
    op.create_index("ix_task_progress", "task", ["job_id", "task_type", "state"])
    trouble = sa.text("state IN ('failed', 'lost', 'rejected')")
    op.create_index("ix_attempt_trouble", "attempt", ["job_id", "id"], sqlite_where=trouble, postgresql_where=trouble)


def downgrade() -> None:
    """Take the tables back."""
    op.drop_index("ix_attempt_trouble", "attempt")
    op.drop_index("ix_task_progress", "task")
    with op.batch_alter_table("worker") as worker:
        worker.drop_column("task_types")
    op.drop_index("ix_transition_job", "transition")
    op.drop_index("ix_attempt_job", "attempt")
    _replace_queue_index("state = 'queued'")
    with op.batch_alter_table("attempt") as attempt:
        attempt.drop_column("held")
    with op.batch_alter_table("task") as task:
        task.drop_column("excuse")
        task.drop_column("iteration")
    op.drop_index("ux_job_idempotency_key", "job")
    with op.batch_alter_table("job") as job:
        job.drop_column("idempotency_key")
        job.drop_column("paused")


def _replace_queue_index(condition: str) -> None:
    """Let the index on the queues hold only attempts that may be claimed."""
    where = sa.text(condition)
    op.drop_index("ix_attempt_queue", "attempt")
    op.create_index(
        "ix_attempt_queue", "attempt", ["task_type", "priority", "id"], sqlite_where=where, postgresql_where=where
    )

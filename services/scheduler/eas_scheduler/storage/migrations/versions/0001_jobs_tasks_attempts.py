"""The tables of jobs, tasks and attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json, Key, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "job",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("working_directory", sa.String(length=1024), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("seed", Key, nullable=False),
        sa.Column("root_task_id", Key, nullable=False),
        sa.Column("submitted_at", UtcTime(), nullable=False),
        sa.Column("submitted_by", sa.String(length=256), nullable=False),
        sa.Column("finished_at", UtcTime(), nullable=True),
        sa.Column("waiting", sa.Integer(), server_default="0", nullable=False),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("running", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("blocked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_name", ["name"], unique=False)

    op.create_table(
        "key_sequence",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("next_key", Key, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", Key, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("payload", Json(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "task_type",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("description", Json(), nullable=False),
        sa.Column("announced_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "transition",
        sa.Column("id", Key, nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("task_id", Key, nullable=False),
        sa.Column("attempt_id", Key, nullable=True),
        sa.Column("state_before", sa.String(length=16), nullable=True),
        sa.Column("state_after", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "worker",
        sa.Column("worker_id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=256), nullable=False),
        sa.Column("process_id", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("announced_at", UtcTime(), nullable=False),
        sa.Column("last_heard_at", UtcTime(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id"),
    )
    op.create_table(
        "task",
        sa.Column("id", Key, autoincrement=False, nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("parent_id", Key, nullable=True),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("level", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pointer", Json(), nullable=False),
        sa.Column("task_type", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=True),
        sa.Column("job_name", sa.String(length=256), nullable=True),
        sa.Column("working_directory", sa.String(length=1024), nullable=False),
        sa.Column("metadata", Json(), nullable=True),
        sa.Column("seed", Key, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("unmet", sa.Integer(), server_default="0", nullable=False),
        sa.Column("children", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("strikes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted_attempt_id", Key, nullable=True),
        sa.Column("blocked_by", Key, nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("message", sa.Text(length=2147483647), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["task.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.create_index("ix_task_children", ["parent_id", "position"], unique=False)
        batch_op.create_index("ix_task_job", ["job_id"], unique=False)

    op.create_table(
        "attempt",
        sa.Column("id", Key, autoincrement=False, nullable=False),
        sa.Column("task_id", Key, nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("task_type", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("worker_id", sa.String(length=64), nullable=True),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("lease_expires_at", UtcTime(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("queued_at", UtcTime(), nullable=False),
        sa.Column("claimed_at", UtcTime(), nullable=True),
        sa.Column("started_at", UtcTime(), nullable=True),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("wall_time", sa.Float(), nullable=True),
        sa.Column("cpu_time", sa.Float(), nullable=True),
        sa.Column("cpu_time_with_children", sa.Float(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("message", sa.Text(length=2147483647), nullable=True),
        sa.Column("settings", Json(), nullable=True),
        sa.Column("metadata", Json(), nullable=True),
        sa.Column("inputs", Json(), nullable=True),
        sa.Column("outputs", Json(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("task_id", "number", name="uq_attempt_number"),
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index(
            "ix_attempt_lease",
            ["lease_expires_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('running', 'checking')"),
            postgresql_where=sa.text("state IN ('running', 'checking')"),
        )
        batch_op.create_index(
            "ix_attempt_queue",
            ["task_type", "priority", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        )

    op.create_table(
        "product_promise",
        sa.Column("id", Key, autoincrement=False, nullable=False),
        sa.Column("task_id", Key, nullable=False),
        sa.Column("slot", sa.String(length=256), nullable=False),
        sa.Column("directory", sa.String(length=512), nullable=False),
        # A key of MySQL has at most 3,072 bytes, four a character.
        sa.Column("filename", sa.String(length=256).with_variant(sa.String(255), "mysql"), nullable=False),
        sa.Column("version", Json(), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("directory", "filename", name="uq_product_promise_name"),
    )
    with op.batch_alter_table("product_promise", schema=None) as batch_op:
        batch_op.create_index("ix_product_promise_task", ["task_id"], unique=False)

    op.create_table(
        "dependency",
        sa.Column("task_id", Key, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("label", sa.String(length=256), nullable=False),
        sa.Column("source_id", Key, nullable=False),
        sa.Column("promise_id", Key, nullable=True),
        sa.ForeignKeyConstraint(["promise_id"], ["product_promise.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["source_id"], ["task.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "kind", "label"),
    )
    with op.batch_alter_table("dependency", schema=None) as batch_op:
        batch_op.create_index("ix_dependency_source", ["source_id"], unique=False)


def downgrade() -> None:
    """Take the tables back."""
    with op.batch_alter_table("dependency", schema=None) as batch_op:
        batch_op.drop_index("ix_dependency_source")

    op.drop_table("dependency")
    with op.batch_alter_table("product_promise", schema=None) as batch_op:
        batch_op.drop_index("ix_product_promise_task")

    op.drop_table("product_promise")
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_attempt_queue", sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'")
        )
        batch_op.drop_index(
            "ix_attempt_lease",
            sqlite_where=sa.text("state IN ('running', 'checking')"),
            postgresql_where=sa.text("state IN ('running', 'checking')"),
        )

    op.drop_table("attempt")
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.drop_index("ix_task_job")
        batch_op.drop_index("ix_task_children")

    op.drop_table("task")
    op.drop_table("worker")
    op.drop_table("transition")
    op.drop_table("task_type")
    op.drop_table("outbox")
    op.drop_table("key_sequence")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("ix_job_name")

    op.drop_table("job")

"""Streams and records."""

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
        "log_stream",
        sa.Column("stream_id", Key, primary_key=True),
        sa.Column("name", sa.String(128), nullable=False, unique=True),
    )
    op.create_table(
        "log_record",
        sa.Column("record_id", Key, primary_key=True),
        sa.Column("attempt_id", Key, nullable=False),
        sa.Column("task_id", Key, nullable=False),
        sa.Column("job_id", Key, nullable=False),
        sa.Column("stream_id", Key, sa.ForeignKey("log_stream.stream_id"), nullable=False),
        sa.Column("sequence", Key, nullable=False),
        sa.Column("time", UtcTime, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("logger", sa.String(256), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("template", sa.Text),
        sa.Column("arguments", Json),
        sa.Column("traceback", sa.Text),
        sa.Column("host", sa.String(256), nullable=False),
        sa.Column("process_id", sa.Integer, nullable=False),
        sa.UniqueConstraint("attempt_id", "stream_id", "sequence", name="uq_log_record_writer"),
    )
    op.create_index("ix_log_record_attempt", "log_record", ["attempt_id", "level", "time"])
    op.create_index("ix_log_record_task", "log_record", ["task_id", "level", "time"])
    op.create_index("ix_log_record_job", "log_record", ["job_id", "level", "time"])
    op.create_index("ix_log_record_level", "log_record", ["level", "time"])


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("log_record")
    op.drop_table("log_stream")

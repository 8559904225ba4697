"""Typed fields, the text index, what writers say of how much they emitted, and retention.

The text index is of SQLite's kind (FTS5) and keeps no texts of its own: it reads them through a view. The service fills
it in the background, for records that are there already, too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json, Key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_VIEW = """
CREATE VIEW log_text_source AS SELECT
    record_id, message, traceback,
    'j' || job_id || ' t' || task_id || ' a' || attempt_id || ' l' || level || ' h' || hex(host) AS scope
FROM log_record
"""
_INDEX = """
CREATE VIRTUAL TABLE log_text USING fts5(
    message, traceback, scope, content='log_text_source', content_rowid='record_id', columnsize=0
)
"""


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("log_record", sa.Column("fields", Json()))
    op.create_table(
        "log_tally",
        sa.Column("attempt_id", Key, primary_key=True, autoincrement=False),
        sa.Column("stream_id", Key, sa.ForeignKey("log_stream.stream_id"), primary_key=True, autoincrement=False),
        sa.Column("emitted", Key),
        sa.Column("removed", Key, nullable=False, server_default="0"),
    )
    op.create_table(
        "log_state",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", Json(), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_VIEW)
        op.execute(_INDEX)


def downgrade() -> None:
    """Take the tables back."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE log_text")
        op.execute("DROP VIEW log_text_source")
    op.drop_table("log_state")
    op.drop_table("log_tally")
    with op.batch_alter_table("log_record") as batch:
        batch.drop_column("fields")

"""Alembic's entry: runs the migrations on the connection that the caller brings."""

from __future__ import annotations

from alembic import context

from eas_logging.storage.schema import LoggingRow

context.configure(
    connection=context.config.attributes["connection"], target_metadata=LoggingRow.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()

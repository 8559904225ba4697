"""Alembic's entry: runs the migrations on the connection that the caller brings."""

from __future__ import annotations

from alembic import context

from eas_scheduler.storage.schema import SchedulerRow

context.configure(
    connection=context.config.attributes["connection"], target_metadata=SchedulerRow.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()

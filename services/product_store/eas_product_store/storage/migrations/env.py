"""Alembic's entry: runs the migrations on the connection that the caller brings."""

from __future__ import annotations

from alembic import context

from eas_product_store.storage.schema import ProductStoreRow

context.configure(
    connection=context.config.attributes["connection"], target_metadata=ProductStoreRow.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()

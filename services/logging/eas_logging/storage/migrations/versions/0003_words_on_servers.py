"""The words of records, on servers: SQLite has them in its own index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

from eas.database.types import Key

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    match op.get_bind().dialect.name:
        case "postgresql":
            op.create_table(
                "log_text",
                sa.Column("record_id", Key, primary_key=True, autoincrement=False),
                sa.Column("is_long", sa.Boolean, nullable=False),
                sa.Column("words", postgresql.TSVECTOR, nullable=False),
            )
            op.create_index("ix_log_text_words", "log_text", ["words"], postgresql_using="gin")
        case "mysql":
            op.create_table(
                "log_text",
                sa.Column("record_id", Key, primary_key=True, autoincrement=False),
                sa.Column("words", mysql.LONGTEXT(charset="ascii", collation="ascii_bin"), nullable=False),
            )
            op.create_index("ix_log_text_words", "log_text", ["words"], mysql_prefix="FULLTEXT")


def downgrade() -> None:
    """Take the tables back."""
    if op.get_bind().dialect.name != "sqlite":
        op.drop_table("log_text")

"""Attempts that adopt what equal attempts made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json, Key

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_UNDECIDED = sa.text("state = 'queued' AND undecided")
_COMPARED = sa.text("fingerprint IS NOT NULL")


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("job", sa.Column("reuse", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("attempt", sa.Column("undecided", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("attempt", sa.Column("fingerprint", sa.String(32), nullable=True))
    op.add_column("attempt", sa.Column("fingerprint_parts", sa.String(128), nullable=True))
    op.add_column("attempt", sa.Column("adopted_from", Key, nullable=True))
    op.add_column("attempt", sa.Column("reuse", Json(), nullable=True))
    op.create_index("ix_attempt_undecided", "attempt", ["id"], sqlite_where=_UNDECIDED, postgresql_where=_UNDECIDED)
    op.create_index(
        "ix_attempt_fingerprint", "attempt", ["fingerprint"], sqlite_where=_COMPARED, postgresql_where=_COMPARED
    )


def downgrade() -> None:
    """Take the tables back."""
    op.drop_index("ix_attempt_fingerprint", "attempt")
    op.drop_index("ix_attempt_undecided", "attempt")
    with op.batch_alter_table("attempt") as attempt:
        for column in ("reuse", "adopted_from", "fingerprint_parts", "fingerprint", "undecided"):
            attempt.drop_column(column)
    with op.batch_alter_table("job") as job:
        job.drop_column("reuse")

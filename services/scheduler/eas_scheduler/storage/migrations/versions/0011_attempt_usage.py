"""What an attempt used, besides time: memory, and bytes read and written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = ("peak_memory", "read_bytes", "written_bytes")


def upgrade() -> None:
    """Bring the tables forward; of attempts that have ended it stays unknown."""
    for name in _COLUMNS:
        op.add_column("attempt", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take the tables back."""
    for name in reversed(_COLUMNS):
        op.drop_column("attempt", name)

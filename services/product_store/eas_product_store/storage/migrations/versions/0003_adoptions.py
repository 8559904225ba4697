"""Versions whose bytes an equal attempt made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Key

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("version", sa.Column("adopted_from", Key, nullable=True))


def downgrade() -> None:
    """Take the tables back."""
    op.drop_column("version", "adopted_from")

"""Messages for the product store that could not be delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Json, Key, UtcTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "dead_letter",
        sa.Column("id", Key, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("payload", Json(), nullable=False),
        sa.Column("reason", sa.Text(length=2**31 - 1), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("died_at", UtcTime(), nullable=False),
    )


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("dead_letter")

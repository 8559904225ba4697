"""Products that another job makes again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "earlier_generator",
        sa.Column("product_id", Key, sa.ForeignKey("product.product_id"), primary_key=True),
        sa.Column("task_id", Key, primary_key=True, autoincrement=False),
    )


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("earlier_generator")

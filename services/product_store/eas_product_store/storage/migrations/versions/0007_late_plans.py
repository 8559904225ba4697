"""Whether a product's task has its name as a re-run, so that plans of earlier tasks may come after its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("product", sa.Column("rerun", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE product SET rerun = (1 = 1) WHERE product_id IN (SELECT product_id FROM earlier_generator)")


def downgrade() -> None:
    """Take the tables back."""
    op.drop_column("product", "rerun")

"""Products that another job makes again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("job", sa.Column("rerun", sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table("product_promise") as promise:
        promise.add_column(sa.Column("generation", sa.Integer(), server_default="1", nullable=False))
        promise.drop_constraint("uq_product_promise_name", type_="unique")
        promise.create_unique_constraint("uq_product_promise_name", ["directory", "filename", "generation"])


def downgrade() -> None:
    """Take the tables back. Fails where a product has several generations."""
    with op.batch_alter_table("product_promise") as promise:
        promise.drop_constraint("uq_product_promise_name", type_="unique")
        promise.create_unique_constraint("uq_product_promise_name", ["directory", "filename"])
        promise.drop_column("generation")
    with op.batch_alter_table("job") as job:
        job.drop_column("rerun")

"""A queued attempt that is kept back is on hold. `held` also meant leased.

SQLite, PostgreSQL, MariaDB and MySQL rename the column in the indexes, too.
"""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.execute("ALTER TABLE attempt RENAME COLUMN held TO on_hold")


def downgrade() -> None:
    """Take the tables back."""
    op.execute("ALTER TABLE attempt RENAME COLUMN on_hold TO held")

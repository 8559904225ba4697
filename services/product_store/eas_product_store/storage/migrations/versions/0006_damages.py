"""What was found damaged, where it is now, and whether it has healed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eas.database.types import Key, UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "damage",
        sa.Column("damage_id", Key, primary_key=True),
        sa.Column("version_id", Key, sa.ForeignKey("version.version_id"), nullable=False),
        sa.Column("store_name", sa.String(128), nullable=False),
        sa.Column("md5", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", Key, nullable=False),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("found_at", UtcTime, nullable=False),
        sa.Column("versions", Key, nullable=False),
        sa.Column("custody", sa.String(16), nullable=False),
        sa.Column("found_sha256", sa.String(64), nullable=True),
        sa.Column("found_size", Key, nullable=True),
        sa.Column("healed_at", UtcTime, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_damage_sha256", "damage", ["sha256"])
    op.create_index("ix_damage_custody", "damage", ["custody"])
    # Damaged bytes that were found before stay where they are until the store starts; it then moves them.
    op.execute(
        "INSERT INTO damage (version_id, store_name, md5, sha256, size, finding, found_at, versions, custody) "
        "SELECT MIN(version_id), store_name, MIN(md5), MIN(sha256), MIN(size), 'its bytes were found damaged', "
        "MIN(damaged_at), COUNT(*), 'pending' FROM version "
        "WHERE damaged_at IS NOT NULL AND purged_at IS NULL GROUP BY store_name"
    )


def downgrade() -> None:
    """Take the tables back."""
    op.drop_table("damage")

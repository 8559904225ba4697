"""Indexes that begin with the state, for engines that have no partial ones."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

#: A partial index that MySQL and MariaDB made of all attempts, and what they have in its place.
_INSTEAD = {
    "ix_attempt_undecided": ["state", "undecided", "id"],
    "ix_attempt_fingerprint": ["fingerprint", "id"],
    "ix_attempt_trouble": ["job_id", "state", "id"],
    "ix_attempt_queue": ["state", "held", "task_type", "priority", "id"],
    "ix_attempt_lease": ["state", "lease_expires_at"],
    "ix_attempt_delayed": ["state", "held", "not_before"],
    "ix_attempt_overdue": ["state", "held", "overdue_at"],
}


def upgrade() -> None:
    """Bring the tables forward."""
    if op.get_bind().dialect.name == "mysql":
        for name, columns in _INSTEAD.items():
            op.create_index(f"{name}_by_state", "attempt", columns)
            op.drop_index(name, "attempt")


def downgrade() -> None:
    """Take the tables back."""
    if op.get_bind().dialect.name == "mysql":
        for name in _INSTEAD:
            op.drop_index(f"{name}_by_state", "attempt")

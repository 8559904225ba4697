"""Tables of rows, with their type."""

from __future__ import annotations

from sqlalchemy import Table
from sqlmodel import SQLModel


def find_table(row: type[SQLModel]) -> Table:
    """Return the table that a row class describes. SQLModel does not declare it to type checkers."""
    return row.metadata.tables[str(row.__tablename__)]

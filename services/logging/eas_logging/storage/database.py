"""What others must know of the log service's database to make, move and check it."""

from __future__ import annotations

from pathlib import Path

from eas.database.description import DatabaseDescription
from eas_logging.storage.schema import LoggingRow
from eas_logging.storage.text_indexes import list_metadata

DATABASE = DatabaseDescription(
    service="logging",
    variable="EAS_LOGGING_DATABASE_URL",
    migrations=Path(__file__).parent / "migrations",
    metadata=LoggingRow.metadata,
    list_metadata=list_metadata,
    counted={"records": "log_record"},
    # The index of words follows from the records, and begins anew where nothing says how far it has come.
    derived=("log_text",),
    forgotten=(("log_state", "name", "indexed"),),
)

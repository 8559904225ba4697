"""What can be wrong with databases and their dumps when an operator handles them.

::

    EasError
    ├── DatabaseRefusedError           what was asked for would harm, or makes no sense; nothing was changed
    │   ├── DatabaseNotEmptyError      database_not_empty
    │   ├── ForeignDatabaseError       foreign_database
    │   └── DumpError                  dump             the file cannot be used, or must not be overwritten
    └── DatabaseStateError             database_state
        ├── DatabaseMissingError       database_missing
        ├── InterruptedRestoreError    interrupted_restore
        └── NewerDatabaseError         newer_database
"""

from __future__ import annotations

from eas.contracts.errors import EasError


class DatabaseRefusedError(EasError):
    """What was asked for would harm or makes no sense. Nothing was changed."""

    slug = "database_refused"


class DatabaseNotEmptyError(DatabaseRefusedError):
    """There is something that would be lost."""

    slug = "database_not_empty"

    def __init__(self, place: str, contents: str) -> None:
        super().__init__(f"{place} is not empty: it has {contents}. Nothing was changed; --overwrite replaces it")


class ForeignDatabaseError(DatabaseRefusedError):
    """A database has tables of something else."""

    slug = "foreign_database"

    def __init__(self, place: str, service: str, tables: str) -> None:
        super().__init__(
            f"{place} has tables that are not the {service} service's: {tables}. "
            "Nothing was changed; give another database"
        )


class DumpError(DatabaseRefusedError):
    """A dump's file cannot be used."""

    slug = "dump"


class DatabaseStateError(EasError):
    """A database is not as it has to be."""

    slug = "database_state"


class DatabaseMissingError(DatabaseStateError):
    """There is no such database, or it has no tables yet."""

    slug = "database_missing"


class InterruptedRestoreError(DatabaseStateError):
    """A database is half restored."""

    slug = "interrupted_restore"

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} is half restored: a restore into it was interrupted. Repeat it with --overwrite")


class NewerDatabaseError(DatabaseStateError):
    """A database was made by a newer EAS."""

    slug = "newer_database"

    def __init__(self, place: str, revision: str, newest: str) -> None:
        super().__init__(f"{place} has revision {revision}, which this EAS does not know: it knows up to {newest}")

"""The composition root: the only file that knows both logic and storage."""

from __future__ import annotations

from sqlalchemy import text

from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas_logging.logic.arrivals import Arrivals
from eas_logging.logic.indexing import TextIndexing
from eas_logging.logic.ingestion import Ingestion
from eas_logging.logic.retention import Retention
from eas_logging.logic.retrieval import Retrieval
from eas_logging.logic.tail import Tail
from eas_logging.settings import LoggingSettings
from eas_logging.storage.database import DATABASE
from eas_logging.storage.ids import IdReader
from eas_logging.storage.records import RecordCatalog
from eas_logging.storage.retention import RecordRemoval
from eas_logging.storage.tallies import TallyCatalog
from eas_logging.storage.text_indexes import make_text_index

MIGRATIONS = DATABASE.migrations


class LoggingRuntime:
    """Makes the service's parts around one database."""

    def __init__(self, settings: LoggingSettings) -> None:
        self._database = Database(settings.database_url, cache_mb=settings.sqlite_cache_mb)
        text_index = make_text_index(settings.database_url)
        records = RecordCatalog(self._database, text_index)
        arrivals = Arrivals()
        self._indexing = TextIndexing(records, arrivals)
        self.ingestion = Ingestion(records, arrivals, settings.max_waiting)
        self.retention = Retention(
            RecordRemoval(self._database, text_index), every_seconds=settings.retention_every_seconds
        )
        self.tail = Tail(
            records,
            arrivals,
            self._indexing,
            max_behind=settings.tail_behind,
            heartbeat=settings.tail_heartbeat_seconds,
        )
        self.ids = IdReader(self._database)
        self.retrieval = Retrieval(records, TallyCatalog(self._database), self._indexing)

    def prepare(self) -> None:
        """Bring the tables up to date. Blocks."""
        upgrade_schema(self._database.url, MIGRATIONS, owner=DATABASE)

    async def start(self) -> None:
        """Begin to accept writes."""
        await self._database.start()
        await self._indexing.start()
        await self.retention.start()

    async def stop(self) -> None:
        """Commit what was accepted and close the database."""
        await self.retention.stop()
        await self._indexing.stop()
        await self._database.stop()

    async def check(self) -> None:
        """Raise where the database cannot be read."""
        await self._database.read(lambda connection: connection.execute(text("SELECT 1 FROM log_record LIMIT 1")))

"""Log records of a program of one's own, sent to the log service. See docs/logs.md."""

from __future__ import annotations

from eas.client.log_service import LogClient
from eas.journal.children import run_logged
from eas.journal.handler import AttemptContext, JournalHandler
from eas.journal.shipper import Shipper

__all__ = ["AttemptContext", "JournalHandler", "LogClient", "Shipper", "run_logged"]

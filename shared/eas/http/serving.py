"""A service that runs by itself, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import uvicorn
from fastapi import FastAPI

from eas.http.auth import TokenTable, refuse_open_listener
from eas.log_lines import write_log_lines
from eas.signals import hear_signals


class ListenerSettings(Protocol):
    """Where a service listens, and who may call it."""

    @property
    def host(self) -> str:
        """The address to listen on."""

    @property
    def port(self) -> int:
        """The port to listen on; 0 takes a free one."""

    @property
    def tokens_file(self) -> Path | None:
        """Who may call; without it, everyone who reaches it."""


def prepare_process(settings: ListenerSettings) -> None:
    """Prepare this process for a service: its log lines, its signals.

    Raises
    ------
    OpenListenerError
        Everyone could call the service: it would listen beyond this machine and has no tokens.
    """
    hear_signals()
    write_log_lines()
    refuse_open_listener(settings.host, TokenTable.from_optional_file(settings.tokens_file))


def serve(app: FastAPI, settings: ListenerSettings, *, stop_seconds: int | None = None) -> None:
    """Serve requests until SIGINT or SIGTERM.

    Parameters
    ----------
    stop_seconds
        How long requests may go on when the service is to stop [s]; None: until they have ended.
    """
    uvicorn.run(app, host=settings.host, port=settings.port, timeout_graceful_shutdown=stop_seconds, log_config=None)

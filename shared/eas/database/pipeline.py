"""Statements on their way to PostgreSQL: many are sent before the answer to any is waited for.

A small statement takes the server a fraction of the time that its round trip takes. What a transaction changes it need
not wait for, and what it reads it can ask for together: both go with the next thing that has to be waited for. The
server carries everything out in the order in which it was sent, so it makes no other difference.
"""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import FeatureNotSupported, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy.exc import DBAPIError

#: How many statements wait at most to be sent: what inserts millions of rows must not gather them all.
_MOST = 256
#: And how many bytes of their values. So many fit into the buffers of a connection whose server is busy, with its turn
#: for instance: what does not fit counts as silence of its host.
_MOST_BYTES = 32 * 1024

_PLACE = re.compile("%[s%]")


class Sent:
    """A statement that was sent, or soon will be, and its answer.

    Parameters
    ----------
    pipeline
        Where it is.
    text
        With ``%s`` for each value.
    values
        As the server reads them.
    """

    __slots__ = ("_pipeline", "actions", "result", "text", "values")

    def __init__(self, pipeline: Pipeline, text: str, values: Sequence[Any]) -> None:
        self._pipeline = pipeline
        self.text = text
        self.values = values
        self.actions: list[Callable[[], None]] = []
        self.result: Any = None

    def count_changed(self) -> int:
        """Wait until it was carried out. Returns how many rows it changed."""
        return int(self._wait().command_tuples or 0)

    def fetch_rows(self) -> tuple[list[Sequence[Any]], list[int]]:
        """Wait for its rows. Returns them, and the server's numbers for the types of their columns."""
        result = self._wait()
        return self._pipeline.load(result), [result.ftype(column) for column in range(result.nfields)]

    def _wait(self) -> Any:
        if self.result is None:
            self._pipeline.exchange()
        if self.result is None:
            raise RuntimeError(f"this statement was taken back before it was sent: {self.text}")
        return self.result


class Pipeline:
    """What one connection of psycopg has still to send. Used by one thread at a time.

    Between two exchanges the connection is as any other: it may be used past this object once nothing waits to be sent.

    Parameters
    ----------
    driver
        The connection.
    patience
        A server that is silent for so long while something is asked is taken for gone [s]; None: never.
    """

    def __init__(self, driver: psycopg.Connection[Any], patience: float | None = None) -> None:
        self._server = driver.pgconn
        self._patience = None if patience is None else patience * 1000
        self._values = Transformer(driver)
        self._waiting: list[Sent] = []
        self._bytes = 0
        self._begun = 0
        self._names: dict[str, bytes] = {}
        self._numbers = count(1)

    @property
    def is_broken(self) -> bool:
        """Whether the connection is lost."""
        return bool(self._server.status == ConnStatus.BAD)

    def begin(self, *statements: str) -> None:
        """Begin a transaction with these statements, which wait to be sent.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            The server has closed the connection.
        """
        self._waiting = []
        for statement in statements:
            self.put(statement)
        self._begun = len(statements)
        if self._has_news():  # of which the server's farewell is the most likely
            self.exchange()

    def put(self, text: str, values: Sequence[Any] = ()) -> Sent:
        """Send a statement with the next exchange, with a value for each ``%s``."""
        dumped = self._values.dump_sequence(values, [PyFormat.TEXT] * len(values))
        size = sum(len(value) for value in dumped if value is not None)
        if len(self._waiting) >= _MOST or self._bytes + size > _MOST_BYTES:
            self.exchange()
        sent = Sent(self, text, dumped)
        self._waiting.append(sent)
        self._bytes += size
        return sent

    def when_answered(self, action: Callable[[], None]) -> None:
        """Have something done once all is answered that was put so far. What it raises reaches who waits then."""
        if self._waiting:
            self._waiting[-1].actions.append(action)
        else:
            action()

    def take_back(self, first: Sent | None = None) -> bool:
        """Forget what waits to be sent, from `first` on if that still waits, too. Returns whether it did."""
        waits = first in self._waiting
        del self._waiting[self._waiting.index(first) if first is not None and waits else 0 :]
        return waits

    def finish(self, first: Sent) -> None:
        """Wait for all that was put since `first`."""
        if self._waiting and self._waiting[-1] is not first:
            self.exchange()

    def commit(self) -> None:
        """Commit. Of a transaction in which nothing had to be sent the server never hears.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            The server refused a statement that waited, or this one, or is gone.
        """
        if self._server.transaction_status == TransactionStatus.IDLE and len(self._waiting) == self._begun:
            self._waiting = []
            return
        if any(sent.actions for sent in self._waiting):
            self.exchange()
        end = self.put("COMMIT")
        self.exchange()
        if end.result.command_status != b"COMMIT":
            raise RuntimeError("the server has taken the transaction back")

    def roll_back(self) -> None:
        """Undo the transaction, of which what waits is never sent.

        The driver's own way would let go of all statements that are prepared.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            The server is gone.
        """
        self.take_back()
        if self._server.transaction_status != TransactionStatus.IDLE:
            self.put("ROLLBACK")
            self.exchange()

    def exchange(self) -> None:
        """Send all that waits, and wait until it was carried out.

        Raises
        ------
        sqlalchemy.exc.DBAPIError
            The server refused a statement, or is gone. What was put after that statement was not carried out.
        """
        sent, self._waiting, self._bytes = self._waiting, [], 0
        if not sent:
            return
        try:
            results = self._converse(sent)
        except BaseException as error:
            self._server.finish()  # whatever it has sent or was going to send
            raise _translate(sent[0].text, error) from error
        for one, result in zip(sent, results, strict=True):
            if result.status == ExecStatus.FATAL_ERROR:
                raise _translate(one.text, self._explain(result))
            one.result = result
        for one in sent:
            for action in one.actions:
                action()

    def load(self, result: Any) -> list[Sequence[Any]]:
        """Make Python's values of a result."""
        if not result.ntuples:
            return []
        self._values.set_pgresult(result)
        return list(self._values.load_rows(0, result.ntuples, tuple))

    def _explain(self, result: Any) -> psycopg.Error:
        error = error_from_result(result)
        if isinstance(error, FeatureNotSupported):
            self._names = {}  # a table changed under a statement that was prepared
        is_servers_word = error.sqlstate is not None and not self.is_broken
        return error if is_servers_word else psycopg.OperationalError(str(error))

    def _converse(self, sent: Sequence[Sent]) -> list[Any]:
        """Returns the result of each statement; if one failed, those of the rest say that they were left out."""
        server, names, new = self._server, self._names, dict[str, bytes]()
        are_preparations: list[str | None] = []
        server.enter_pipeline_mode()
        for one in sent:
            name = names.get(one.text) or new.get(one.text)
            if name is None:
                name = new[one.text] = b"eas_%d" % next(self._numbers)
                server.send_prepare(name, _number_places(one.text).encode())
                are_preparations.append(one.text)
            server.send_query_prepared(name, one.values)
            are_preparations.append(None)
        server.pipeline_sync()
        answers = self._receive()
        server.exit_pipeline_mode()
        results: list[Any] = []
        refused: Any = None
        for text, answer in zip(are_preparations, answers, strict=True):
            if text is None:
                results.append(refused or answer)
                refused = None
            elif answer.status == ExecStatus.COMMAND_OK:
                names[text] = new[text]
            elif answer.status == ExecStatus.FATAL_ERROR:
                refused = answer
        return results

    def _receive(self) -> list[Any]:
        server = self._server
        results: list[Any] = []
        ready = select.poll()
        while True:
            unsent = server.flush()
            while server.is_busy():
                ready.register(server.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
                if not ready.poll(self._patience):
                    raise psycopg.OperationalError("the server does not answer")
                server.consume_input()
                unsent = unsent and server.flush()
            result = server.get_result()
            if result is None:
                if self.is_broken:
                    raise psycopg.OperationalError(server.error_message.decode(errors="replace"))
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return results
            else:
                results.append(result)

    def _has_news(self) -> bool:
        if self.is_broken:
            return True
        ready = select.poll()
        ready.register(self._server.socket, select.POLLIN)
        return bool(ready.poll(0))


def _number_places(text: str) -> str:
    numbers = count(1)
    return _PLACE.sub(lambda place: "%" if place[0] == "%%" else f"${next(numbers)}", text)


def _translate(text: str, error: BaseException) -> BaseException:
    return DBAPIError.instance(text, None, error, psycopg.Error)

"""The ways of log records to the log service: through a broker where there is one, else over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import ValidationError

from eas.amqp.errors import BrokerUnavailableError
from eas.amqp.fallback_publisher import FallbackPublisher
from eas.contracts.errors import InvalidInputError, TooLargeError
from eas.contracts.logs import LogBatch, join_lines
from eas.journal.shipper import LineSink

#: The longest message; what is longer goes in parts, or over HTTP [bytes].
MAX_MESSAGE_BYTES = 1_000_000


class BrokerLineSink:
    """A `eas.journal.shipper.LineSink` that publishes, and has another way for what cannot be published.

    Nobody answers a message, so lines are looked at before they are sent: one that is no record is refused here as the
    log service would refuse it, and does not take others to the dead letters.

    Parameters
    ----------
    publisher
        The queue of the log service.
    other
        The way while the broker cannot be reached.
    """

    def __init__(self, publisher: FallbackPublisher, other: LineSink) -> None:
        self._publisher = publisher
        self._other = other

    async def ingest_lines(self, lines: Sequence[bytes]) -> None:
        """Have lines stored; when this returns, broker or log service keep them. See the port for what it raises."""
        body = join_lines(lines)
        if len(body) > MAX_MESSAGE_BYTES and len(lines) > 1:
            raise TooLargeError(f"{len(body)} bytes are too long a message; expected {MAX_MESSAGE_BYTES} at most")
        try:
            if len(body) > MAX_MESSAGE_BYTES:
                raise BrokerUnavailableError("the record is too long for a message")
            _check(body)
            await self._publisher.put(body, partial(self._other.ingest_lines, lines))
        except BrokerUnavailableError:
            await self._other.ingest_lines(lines)


def _check(body: bytes) -> None:
    try:
        LogBatch.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInputError(f"{problem['msg']} (at {'.'.join(map(str, problem['loc']))})") from error

"""One connection to a broker, which comes back however often it is lost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import cast

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq.exceptions import InvalidFrameError, ProbableAuthenticationError
from yarl import URL

from eas.amqp.errors import BrokerUnavailableError
from eas.amqp.settings import BrokerSettings
from eas.background import cancel_and_wait, keep_running

logger = logging.getLogger(__name__)

#: What the library says at every attempt to connect. We say once that the broker is away, and once that it is back.
_SAID_AGAIN_AND_AGAIN = (
    "error when creating transport",
    "Unexpected connection close",
    "Cancelling cause reader exited",
)


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_SAID_AGAIN_AND_AGAIN)


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Turn whatever the library raises for a lost connection or channel into `BrokerUnavailableError`.

    That includes cancellations that nobody asked for: the library cancels who waits on a channel that it closes.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailableError(f"{what}: the channel was closed") from error
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerUnavailableError(f"{what}: {str(error) or type(error).__name__}") from error
    except Exception as error:
        if type(error) is not Exception:  # a bare one is what waits on a channel gets that is closed without a reason
            raise
        raise BrokerUnavailableError(f"{what}: the channel was closed") from error


async def wire_of(channel: AbstractChannel) -> aiormq.Channel:
    """The channel below aio-pika's: it knows its consumers, and need not wait after each message."""
    return cast(aiormq.Channel, await channel.get_underlay_channel())


def grow(pause: float, longest: float) -> float:
    """The pause after the next failure."""
    return min(2 * pause, longest)


def spread(pause: float) -> float:
    """A pause of about this length, so that not all come back at the same moment."""
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - only to spread the load


class BrokerConnection:
    """Keeps one connection, and opens channels on it.

    It supervises a plain connection of aio-pika. Whoever has a channel notices its end and sets up anew what was on it;
    nothing is restored behind anyone's back.

    Publishers and consumers had better have a connection each: a broker that is short of memory or disk stops reading
    from connections that publish, and acknowledgements would wait with the messages.

    Parameters
    ----------
    settings
        Where the broker is. Its password is never logged.
    name
        What the broker shows operators, such as ``worker-3 consumer``.
    """

    def __init__(self, settings: BrokerSettings, *, name: str) -> None:
        self.settings = settings
        self._name = name
        self._url = _parse(settings)
        self._place = f"{self._url.host}:{self._url.port or 5672}{self._url.path}"
        self._connection: AbstractConnection | None = None
        self._lost = asyncio.Event()
        self._up = asyncio.Event()
        self._absent = False
        self._losses = 0
        self._lost_again = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether there is a connection now, as far as is known."""
        return self._up.is_set()

    async def start(self) -> None:
        """Begin to connect, in the background. Does not wait for the broker."""
        logging.getLogger("aiormq.connection").addFilter(_is_news)
        if self._task is None:
            self._task = asyncio.create_task(keep_running(f"connection {self._name}", self._run), name=self._name)

    async def close(self) -> None:
        """Close the connection and all its channels, for good."""
        if self._task is not None:
            await cancel_and_wait([self._task])
            self._task = None

    async def wait_until_up(self) -> None:
        """Wait for the connection, up to `timeout_s`. Raises BrokerUnavailableError."""
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                await self._up.wait()
        except TimeoutError as error:
            message = f"the broker at {self._place} has not been reached for {self.settings.timeout_s:g} s"
            raise BrokerUnavailableError(message) from error

    async def wait_until_lost(self, known: int) -> int:
        """Wait until the connection has been lost more often than `known` times, and tell how often that is."""
        while self._losses <= known:
            await self._lost_again.wait()
        return self._losses

    async def open_channel(self, *, confirms: bool = False) -> AbstractChannel:
        """Open a channel, waiting for the connection if need be.

        Parameters
        ----------
        confirms
            Whether the broker confirms what is published, and what it cannot route raises.

        Raises
        ------
        BrokerUnavailableError
            There is no connection, or no answer on it. A connection without an answer is given up.
        """
        await self.wait_until_up()
        connection, lost = self._connection, self._lost
        if connection is None:  # pragma: no cover - lost between two steps
            raise BrokerUnavailableError(f"the connection to {self._place} was lost")
        try:
            with unavailable(f"no channel at {self._place}"):
                async with asyncio.timeout(self.settings.timeout_s):
                    channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
                    await channel.initialize()
                    return channel
        except BrokerUnavailableError as error:
            if isinstance(error.__cause__, TimeoutError):
                lost.set()
            raise

    async def close_channel(self, channel: AbstractChannel) -> None:
        """Close a channel, in whatever state it is."""
        if channel.is_closed:
            return
        with suppress(BrokerUnavailableError), unavailable("closing a channel"):
            async with asyncio.timeout(self.settings.timeout_s):
                await channel.close()

    @asynccontextmanager
    async def channel(self, *, confirms: bool = False) -> AsyncIterator[AbstractChannel]:
        """Have a channel for a while, such as for what may fail and take the channel with it."""
        channel = await self.open_channel(confirms=confirms)
        try:
            yield channel
        finally:
            await self.close_channel(channel)

    async def _run(self) -> None:
        """Connect, wait for the end of the connection, and again."""
        settings, clock = self.settings, asyncio.get_running_loop().time
        pause = settings.first_pause_s
        while True:
            lost = asyncio.Event()
            try:
                connection = await self._connect(lost)
            except BrokerUnavailableError as error:
                self._say_absent(error.message)
            else:
                began = clock()
                await self._serve(connection, lost)
                if clock() - began > settings.longest_pause_s:
                    pause = settings.first_pause_s
            await asyncio.sleep(spread(pause))
            pause = grow(pause, settings.longest_pause_s)

    async def _connect(self, lost: asyncio.Event) -> AbstractConnection:
        connection = aio_pika.Connection(self._url, client_properties={"connection_name": self._name})
        connection.close_callbacks.add(lambda *_: lost.set())
        try:
            with unavailable(f"no connection to the broker at {self._place}"):
                async with asyncio.timeout(self.settings.timeout_s):
                    await connection.connect()
        except BrokerUnavailableError as error:
            await self._discard(connection)
            raise self._explain(error) from error.__cause__
        except BaseException:
            await self._discard(connection)
            raise
        return connection

    def _explain(self, error: BrokerUnavailableError) -> BrokerUnavailableError:
        """Say in words what an operator can mend; the library shows the broker's last word only as an object."""
        match error.__cause__:
            case ProbableAuthenticationError():
                message = f"the broker at {self._place} refuses the user {self._url.user!r} or the password"
            case InvalidFrameError() as fault if "Connection.OpenOk" in str(fault):
                message = f"the broker at {self._place} has no such virtual host, or {self._url.user!r} may not use it"
            case _:
                return error
        return BrokerUnavailableError(message)

    async def _serve(self, connection: AbstractConnection, lost: asyncio.Event) -> None:
        """Offer a connection until it is lost."""
        if self._absent:
            logger.info("the broker at %s is there again", self._place)
        self._absent = False
        self._connection, self._lost = connection, lost
        self._up.set()
        try:
            await lost.wait()
            self._say_absent(f"the connection to the broker at {self._place} was lost")
        finally:
            self._up.clear()
            self._connection = None
            self._losses += 1
            self._lost_again.set()
            self._lost_again = asyncio.Event()
            await self._discard(connection)

    async def _discard(self, connection: AbstractConnection) -> None:
        with suppress(BrokerUnavailableError), unavailable("closing a connection"):
            async with asyncio.timeout(self.settings.timeout_s):
                await connection.close()

    def _say_absent(self, message: str) -> None:
        """Log each outage once."""
        if not self._absent:
            logger.warning("%s; trying again until it is there", message)
        self._absent = True


def _parse(settings: BrokerSettings) -> URL:
    """Read the address. Raises ValueError with a message that does not repeat it, for it holds a password."""
    try:
        url = URL(settings.url.get_secret_value())
    except ValueError:
        url = URL()
    if url.scheme not in {"amqp", "amqps"} or not url.host:
        raise ValueError("the broker's URL is not of the form amqp://user:password@host:port/virtual_host")
    return url.update_query(heartbeat=str(settings.heartbeat_s))

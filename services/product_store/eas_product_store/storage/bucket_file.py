"""An object of a bucket, open for reading."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Protocol

from eas.contracts.errors import UnavailableError

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import S3Store

BLOCK_SIZE = 1 << 20
#: What one request brings [bytes]. While it is used up, the following request is under way.
PART_SIZE = 8 << 20


class ThreadRunner(Protocol):
    """Makes calls in a thread."""

    async def __call__(self, call: Callable[[], None], /) -> None:
        """Make a call."""


class BucketFile:
    """Bytes in a bucket, open for reading.

    Small objects come with the request that opened them, large ones part by part: a slow reader holds no connection.

    Parameters
    ----------
    found
        The answer to the request for all of it, of which nothing has been read.
    run
        Makes calls in a thread.
    errors
        Says what goes wrong in the words of the product store.
    """

    def __init__(
        self,
        store: S3Store,
        key: str,
        found: GetResult,
        run: ThreadRunner,
        errors: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.size: int = found.meta["size"]
        self._store = store
        self._key = key
        self._found = found if self.size <= PART_SIZE else None
        self._run = run
        self._errors = errors
        self._sha256 = hashlib.sha256()
        self._position = 0
        self._part = memoryview(b"")
        self._part_start = 0
        self._ahead: tuple[int, asyncio.Future[bytes]] | None = None

    async def read(self, size: int) -> bytes:
        """Read the next bytes; fewer than `size` only at the end. All reads together make up `sha256`."""
        blocks: list[memoryview] = []
        wanted = min(size, self.size - self._position)
        while wanted > 0:
            begin = self._position - self._part_start
            if not 0 <= begin < len(self._part):
                if not await self._fetch():
                    break
                continue
            block = self._part[begin : begin + wanted]
            blocks.append(block)
            self._position += len(block)
            wanted -= len(block)
        content = b"".join(blocks)
        await self._run(lambda: self._sha256.update(content))
        return content

    async def seek(self, offset: int) -> None:
        """Go to a place."""
        self._position = offset

    def sha256(self) -> str:
        """Tell the digest of all bytes read so far."""
        return self._sha256.hexdigest()

    async def close(self) -> None:
        """Ask for no more."""
        self._found = None
        await self._drop_ahead()

    async def _fetch(self) -> bool:
        """Get the part from the present position on, and tell whether there is one."""
        if self._found is not None:
            found, self._found = self._found, None
            with self._errors():
                self._set_part(0, bytes(await found.bytes_async()))
            return self._position < len(self._part)
        if self._ahead is not None and self._ahead[0] == self._position:
            ahead, self._ahead = self._ahead[1], None
            content = await ahead
        else:
            await self._drop_ahead()
            content = await self._request(self._position)
        self._set_part(self._position, content)
        following = self._position + len(content)
        if content and following < self.size:
            self._ahead = following, asyncio.ensure_future(self._request(following))
        return bool(content)

    def _set_part(self, start: int, content: bytes) -> None:
        self._part, self._part_start = memoryview(content), start

    async def _request(self, start: int) -> bytes:
        with self._errors():
            length = min(PART_SIZE, self.size - start)
            return bytes(await self._store.get_range_async(self._key, start=start, length=length))

    async def _drop_ahead(self) -> None:
        if self._ahead is not None:
            (_, ahead), self._ahead = self._ahead, None
            ahead.cancel()
            with suppress(asyncio.CancelledError, OSError, UnavailableError):
                await ahead

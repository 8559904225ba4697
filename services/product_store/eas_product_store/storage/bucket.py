"""The archive in S3-compatible object storage: bytes arrive in a local folder and have their place in a bucket.

::

    s3://<bucket>/<prefix>/archive                  whose archive this is; the spool knows the same word
    s3://<bucket>/<prefix>/objects/ab/<store name>  bytes in their place
    s3://<bucket>/<prefix>/quarantine/<name>        bytes that were found damaged

Bytes are hashed on their way into the spool's ``incoming``, then sent; an object appears when all of it has come. The
row is committed, and then the incoming name goes. So whatever a killed process leaves behind is found by looking at
``incoming`` alone, as in a local archive.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import S3Store

from eas.client.proxies import find_proxy
from eas.contracts.errors import InsufficientStorageError, UnavailableError
from eas_product_store.domain.damage import StoredObject
from eas_product_store.storage.archive import IncomingFile
from eas_product_store.storage.bucket_file import BLOCK_SIZE, BucketFile
from eas_product_store.storage.spool import ArchiveError, Arrival, Spool, put_place, read_place

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig

logger = logging.getLogger(__name__)

_MARKER = "archive"
#: What one request copies on the server [bytes].
_MAX_COPY = 5_000_000_000
#: An object is sent in at most 10,000 parts.
_MIN_PART, _MAX_PARTS = 8 << 20, 9_000
_AT_ONCE = 4
_REMOVED_AT_ONCE = 1000
#: Codes of servers that have no room.
_FULL = ("XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "507 ")


@dataclass(frozen=True, kw_only=True)
class BucketAddress:
    """Where a bucket is. What is None is taken from the usual variables of AWS, as the credentials are."""

    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        """Say it as it is set."""
        return f"s3://{self.bucket}/{self.prefix}"


class BucketArchive(Spool):
    """An archive in a bucket.

    Parameters
    ----------
    address
        The bucket, and the prefix that all objects have.
    spool
        The local folder for bytes on their way; made where it is missing.
    threads
        How many files are written, read or hashed at once.
    """

    def __init__(self, address: BucketAddress, spool: Path, *, threads: int = 8) -> None:
        super().__init__(spool, threads=threads)
        self._address = address
        self._store = _connect(address)

    def start(self) -> None:
        """Take bucket and spool into use. Blocks.

        Raises
        ------
        ArchiveError
            The bucket cannot be used, or belongs to another spool; another process uses the spool.
        """
        super().start()
        try:
            with bucket_errors(may_be_absent=True):
                self._match_marker()
        except FileNotFoundError as error:
            raise ArchiveError(f"{self._address}: there is no such bucket") from error
        except UnavailableError as error:
            raise ArchiveError(f"{self._address} cannot be used: {_brief(error.__cause__)}") from error

    async def check(self) -> None:
        """Raise where nothing can be written, or the bucket does not answer."""
        await super().check()
        await self._check_marker()

    def begin(self) -> IncomingFile:
        """Begin to take in bytes."""
        return IncomingFile(self, token_hex(16))

    async def open(self, store_name: str) -> BucketFile:
        """Open stored bytes. Raises FileNotFoundError."""
        return await self._open(_key(store_name))

    async def open_quarantined(self, name: str) -> BucketFile:
        """Open bytes in quarantine. Raises FileNotFoundError."""
        return await self._open(_aside(name))

    async def place(self, arrival: Arrival) -> None:
        """Send bytes to their place; the incoming name stays."""
        await self.run(lambda: arrival.seal(None))
        await self._send(arrival.store_name, _key(arrival.store_name))

    async def replace(self, store_name: str, place: str) -> bool:
        """Put bytes that are in their place into another's, and forget their own. Tells whether others were there."""
        were_there = await self._describe(_key(place)) is not None
        found = await self._describe(_key(store_name))
        if found is not None and found["size"] <= _MAX_COPY:
            await self._copy(found, _key(place))
        else:
            await self._send(store_name, _key(place))
        await self.remove([store_name])
        return were_there

    async def remove(self, store_names: Collection[str]) -> None:
        """Remove bytes that no version names; the incoming name last, so that a second try finds them."""
        names = list(store_names)
        for start in range(0, len(names), _REMOVED_AT_ONCE):
            portion = names[start : start + _REMOVED_AT_ONCE]
            with bucket_errors():
                await self._store.delete_async([_key(name) for name in portion])
            await self.settle(portion)

    async def clear(self, store_name: str) -> None:
        """Let bytes lose their place; here those that come replace them."""

    async def list_objects(self, after: str, limit: int) -> list[StoredObject]:
        """List what is in its place by name, from the first beyond `after`."""
        found: list[StoredObject] = []
        with bucket_errors():
            async for portion in self._store.list("objects", offset=_key(after) if after else None, chunk_size=1000):
                for entry in portion:
                    _, folder, *rest = entry["path"].split("/", 2)
                    if rest:
                        name = read_place(folder, rest[0])
                        found.append(StoredObject(name, entry["size"], entry["last_modified"]))
                if len(found) >= limit:
                    break
        return found[:limit]

    async def quarantine(self, store_name: str, name: str) -> bool:
        """Move bytes into quarantine; again, it changes nothing. Tells whether they are there."""
        found = await self._describe(_key(store_name))
        if found is None:
            return await self._describe(_aside(name)) is not None
        await self._copy(found, _aside(name))
        with bucket_errors():
            await self._store.delete_async(_key(store_name))
        return True

    async def release(self, name: str, store_name: str) -> None:
        """Move bytes from quarantine to their place, unless others are there now."""
        found = await self._describe(_aside(name))
        if found is not None and await self._describe(_key(store_name)) is None:
            await self._copy(found, _key(store_name))
        with bucket_errors():
            await self._store.delete_async(_aside(name))

    def _match_marker(self) -> None:
        """Compare the bucket's word with the spool's, so that nobody takes an empty bucket for lost products."""
        path = self._root / _MARKER
        known = path.read_text().strip() if path.exists() else None
        try:
            found = bytes(self._store.get(_MARKER).bytes()).decode()
        except FileNotFoundError:
            if known is not None:
                raise ArchiveError(f"{self._address} is not the archive that {self._root} belongs to") from None
            found = token_hex(16)
            self._store.put(_MARKER, found.encode())
        if known is None:
            path.write_text(f"{found}\n")
        elif known != found:
            raise ArchiveError(f"{self._address} is not the archive that {self._root} belongs to")

    async def _check_marker(self) -> None:
        if await self._describe(_MARKER) is None:
            raise UnavailableError("the product store's bucket is not there, or not its own")

    async def _open(self, key: str) -> BucketFile:
        try:
            with bucket_errors(may_be_absent=True):
                found = await self._store.get_async(key)
        except FileNotFoundError:
            # A bucket that is not there has no objects either; that must not pass for damage.
            await self._check_marker()
            raise
        return BucketFile(self._store, key, found, self.run, bucket_errors)

    async def _describe(self, key: str) -> ObjectMeta | None:
        try:
            with bucket_errors(may_be_absent=True):
                return await self._store.head_async(key)
        except FileNotFoundError:
            if key != _MARKER:
                await self._check_marker()
            return None

    async def _send(self, store_name: str, key: str) -> None:
        """Send what is incoming."""
        path = self.incoming_path(store_name)
        size = await self.run(lambda: path.stat().st_size)
        with bucket_errors():
            await self._store.put_async(key, path, chunk_size=_choose_part(size), max_concurrency=_AT_ONCE)

    async def _copy(self, source: ObjectMeta, target: str) -> None:
        """Copy an object; the server does it alone where it can."""
        with bucket_errors():
            if source["size"] <= _MAX_COPY:
                await self._store.copy_async(source["path"], target)
                return
            part = _choose_part(source["size"])
            blocks = self._read(source["path"])
            await self._store.put_async(target, blocks, chunk_size=part, max_concurrency=_AT_ONCE)

    async def _read(self, key: str) -> AsyncIterator[bytes]:
        file = await self._open(key)
        try:
            while block := await file.read(BLOCK_SIZE):
                yield block
        finally:
            await file.close()


@contextmanager
def bucket_errors(*, may_be_absent: bool = False) -> Iterator[None]:
    """Say what the object storage could not do. What may be absent is a FileNotFoundError then, as on a disk."""
    try:
        yield
    except (BaseError, OSError) as error:
        if may_be_absent and isinstance(error, FileNotFoundError):
            raise
        logger.error("object storage: %s", _brief(error))
        if any(code in str(error) for code in _FULL):
            raise InsufficientStorageError("the product store's object storage is full") from error
        raise UnavailableError("the product store's object storage cannot be used now; try again") from error


def _brief(error: BaseException | None) -> str:
    """Say what a library says in its first line; what follows is for its own editors."""
    return str(error).partition("\n")[0]


def parse_address(text: str, *, endpoint: str | None, region: str | None) -> BucketAddress:
    """Read ``s3://bucket/prefix``. Raises ArchiveError."""
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket:
        raise ArchiveError(f"{text!r} is no archive; expected a folder, or s3://bucket/prefix")
    return BucketAddress(bucket=bucket, prefix=prefix.strip("/"), endpoint=endpoint, region=region)


def _connect(address: BucketAddress) -> S3Store:
    endpoint = address.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options = {"endpoint": endpoint, "region": address.region}
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        config={key: value for key, value in options.items() if value is not None},  # type: ignore[arg-type]
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(minutes=5),
            **_choose_way(endpoint),
        },
        retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=30)},
    )


def _choose_way(endpoint: str | None) -> ClientConfig:
    """Say whether a proxy leads to the object storage; what the environment says counts as for all other clients."""
    if endpoint is None:
        return {}
    proxy = find_proxy(endpoint)
    if proxy is not None:
        return {"proxy_url": proxy.url}
    # Only a proxy that is named here keeps the library from those of the environment.
    return {"proxy_url": endpoint, "proxy_excludes": "*"}


def _choose_part(size: int) -> int:
    return max(_MIN_PART, -(-size // _MAX_PARTS))


def _key(store_name: str) -> str:
    return f"objects/{put_place(store_name)}"


def _aside(name: str) -> str:
    return f"quarantine/{name}"

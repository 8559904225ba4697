"""Take in the bytes of a version in pieces, however often connections or the store itself break off."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex

from eas.contracts.digests import Digests
from eas.contracts.errors import (
    ConflictError,
    DigestMismatchError,
    EasError,
    InsufficientStorageError,
    NotFoundError,
)
from eas.isolation import describe_error, handle_each, is_passing
from eas_product_store.domain.upload import Upload
from eas_product_store.domain.version import Deposit, Version
from eas_product_store.logic.deposit import BLOCK_SIZE, MAX_CHUNKS, DepositService, Receipt
from eas_product_store.logic.ports import CatalogAccess, Clock, PartialFile, Partials

logger = logging.getLogger(__name__)

#: How long the hashes of an upload that nobody brings bytes for are kept in memory.
IDLE = timedelta(minutes=5)


@dataclass
class _Session:
    """What is known in memory of an upload: the file with its hashes, and whose turn it is to write."""

    used_at: datetime
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    turn: int = 0
    size: int = 0
    file: PartialFile | None = None


class ResumableUploads:
    """Takes uploads in pieces.

    Bytes are flushed to the disk before a piece is acknowledged. What is on the disk counts: after a restart the hashes
    are made anew from it, and the upload goes on at its end. Whoever brings a piece takes the turn from an earlier
    request, which may hang on a connection that nobody has closed.

    Parameters
    ----------
    lifetime
        How long an upload is kept after its last byte.
    """

    def __init__(
        self,
        catalog: CatalogAccess,
        partials: Partials,
        deposit_service: DepositService,
        clock: Clock,
        *,
        lifetime: timedelta,
    ) -> None:
        self._catalog = catalog
        self._partials = partials
        self._depositary = deposit_service
        self._clock = clock
        self._lifetime = lifetime
        self._sessions: dict[str, _Session] = {}

    async def open(self, deposit: Deposit, size: int | None, digests: Digests) -> Upload:
        """Open an upload.

        Raises
        ------
        ProductExistsError
            Another task promised this name.
        TooLargeError
            A version cannot have so many bytes.
        InsufficientStorageError
            The disk has no room for them.
        """
        self._depositary.check_size(size or 0)
        await self._depositary.check_name(deposit, size or 0)
        room = await self._partials.measure_room()
        if size is not None and size > room:
            raise InsufficientStorageError(f"the product store's disk has room for {room} bytes, not for {size}")
        upload = Upload(upload_id=token_hex(16), deposit=deposit, size=size, digests=digests, touched_at=self._clock())
        await self._catalog.write(lambda catalog: catalog.uploads.add(upload))
        return upload

    async def find(self, upload_id: str) -> tuple[Upload, int]:
        """Find an upload and how many of its bytes are there. Raises NotFoundError."""
        upload = await self._get(upload_id)
        if upload.version_id is not None:
            return upload, upload.size or 0
        session = self._sessions.get(upload_id)
        if session is not None and session.file is not None:
            return upload, session.size  # the file may end within a block that is just being written
        return upload, (await self._partials.measure_partial(upload_id)).size

    def expires_at(self, upload: Upload) -> datetime:
        """Tell when an upload is forgotten if no more bytes come."""
        return upload.touched_at + self._lifetime

    async def append(
        self, upload_id: str, offset: int, body: AsyncIterator[bytes], digests: Digests, announced_size: int | None
    ) -> int:
        """Take the bytes from `offset` on; what came before a connection broke off stays.

        Parameters
        ----------
        digests
            What was announced of these bytes alone.

        Returns
        -------
        How many bytes of the upload are there; they are durable.

        Raises
        ------
        OffsetError
            The upload does not go on there.
        DigestMismatchError
            The bytes are not those that were announced; they are taken back.
        TooLargeError
            They are more than were announced for the whole, or than a version can have.
        ConflictError
            The upload is complete, or another request brings bytes for it.
        """
        session = self._sessions.setdefault(upload_id, _Session(self._clock()))
        async with session.lock:
            upload = await self._get(upload_id)
            file = await self._load(session, upload_id)
            upload.check_append(offset, session.size)
            self._check_size(upload, offset + (announced_size or 0))
            session.turn += 1
            turn = session.turn
        part = None if digests == Digests() else _PartDigest()
        failure: EasError | None = None
        try:
            async for chunks in _gather(body):
                async with session.lock:
                    self._check_turn(session, turn)
                    self._check_size(upload, session.size + sum(map(len, chunks)))
                    await file.append(chunks)
                    session.size += sum(map(len, chunks))
                if part is not None:
                    await asyncio.to_thread(part.update, chunks)
        except _BrokenOffError as error:
            failure = error.cause
        except (OSError, InsufficientStorageError):
            await self._give_up(session, file)
            raise
        async with session.lock:
            self._check_turn(session, turn)
            size = await self._flush(session, file)
            if failure is not None:
                raise failure
            if part is not None and (damage := part.compare(digests)):
                session.file = None
                await file.cut(offset)
                raise damage
            return size

    async def commit(self, upload_id: str, digests: Digests) -> Receipt:
        """Make a version of an upload; again, it gives the same version.

        Raises
        ------
        ConflictError
            Bytes are missing.
        DigestMismatchError
            The bytes are not those that were announced; all are taken back.
        ProductExistsError, VersionExistsError
            As for an upload in one stream.
        """
        session = self._sessions.setdefault(upload_id, _Session(self._clock()))
        async with session.lock:
            upload = await self._get(upload_id)
            if upload.version_id is not None:
                self._sessions.pop(upload_id, None)
                return Receipt(await self._read_version(upload.version_id), is_new=False)
            session.turn += 1
            file = await self._load(session, upload_id)
            upload.check_complete(await self._flush(session, file))
            fingerprint = await file.finish()
            try:
                upload.digests.check(md5=fingerprint.md5, sha256=fingerprint.sha256)
                digests.check(md5=fingerprint.md5, sha256=fingerprint.sha256)
            except DigestMismatchError:
                session.file = None
                await file.cut(0)
                raise
            session.file = None
            try:
                store_name = await file.publish()
            except BaseException:
                await asyncio.shield(file.abandon())
                raise
            receipt = await self._depositary.register(upload.deposit, fingerprint, file, store_name, upload_id)
            await self._partials.remove_partials([upload_id])
            self._sessions.pop(upload_id, None)
            return receipt

    async def abort(self, upload_id: str) -> None:
        """Forget an upload and its bytes; a version that it became stays. Raises NotFoundError."""
        await self._get(upload_id)
        await self._forget(upload_id)

    async def recover(self) -> int:
        """Remove bytes that no upload names, and tell of how many uploads. Only before uploads."""
        present = await self._partials.list_partials()
        known = await self._catalog.read(lambda catalog: catalog.uploads.find_known(present))
        unknown = [upload_id for upload_id in present if upload_id not in known]

        async def leave(upload_id: str, error: Exception) -> None:
            logger.error("the bytes of the unknown upload %s stay: %s", upload_id, describe_error(error))

        await handle_each(unknown, self._partials.remove_partials, leave)
        return len(unknown)

    async def expire(self) -> int:
        """Forget uploads that nobody has brought bytes for during their lifetime, and tell how many."""
        now = self._clock()
        limit = now - self._lifetime
        old = await self._catalog.read(lambda catalog: catalog.uploads.find_untouched(limit))
        expired = 0
        for upload_id in old:
            try:
                changed_at = (await self._partials.measure_partial(upload_id)).changed_at
                if changed_at is None or changed_at < limit:
                    await self._forget(upload_id)
                    expired += 1
            except Exception as error:
                if is_passing(error):
                    raise
                logger.exception("the upload %s cannot be forgotten now", upload_id)
        if expired:
            logger.info("forgot %d uploads that were not completed in time", expired)
        for upload_id, session in list(self._sessions.items()):
            if not session.lock.locked() and session.used_at < now - IDLE:
                del self._sessions[upload_id]
                if session.file is not None:
                    await session.file.close()
        return expired

    async def _forget(self, upload_id: str) -> None:
        session = self._sessions.setdefault(upload_id, _Session(self._clock()))
        async with session.lock:
            session.turn += 1
            if session.file is not None:
                await session.file.close()
                session.file = None
            # The bytes first: on a disk that is full the catalogue may need the room that they give back.
            await self._partials.remove_partials([upload_id])
            await self._catalog.write(lambda catalog: catalog.uploads.remove([upload_id]))
            self._sessions.pop(upload_id, None)

    async def _get(self, upload_id: str) -> Upload:
        await self._depositary.clear_doubt(upload_id)
        upload = await self._catalog.read(lambda catalog: catalog.uploads.get(upload_id))
        if upload is None:
            self._sessions.pop(upload_id, None)
            raise NotFoundError(f"there is no upload {upload_id}; it may have expired", where="path.upload_id")
        return upload

    async def _read_version(self, version_id: int) -> Version:
        version = await self._catalog.read(lambda catalog: catalog.versions.get(version_id))
        if version is None:
            raise NotFoundError(f"there is no version {version_id}", where="path.upload_id")
        return version

    async def _load(self, session: _Session, upload_id: str) -> PartialFile:
        session.used_at = self._clock()
        if session.file is None:
            file = self._partials.resume(upload_id)
            session.size = await file.load()
            session.file = file
        return session.file

    async def _flush(self, session: _Session, file: PartialFile) -> int:
        session.used_at = self._clock()
        try:
            return await file.flush()
        except (OSError, InsufficientStorageError):
            session.file = None
            await file.close()
            raise

    async def _give_up(self, session: _Session, file: PartialFile) -> None:
        async with session.lock:
            if session.file is file:
                session.file = None
            await file.close()

    def _check_size(self, upload: Upload, size: int) -> None:
        upload.check_size(size)
        self._depositary.check_size(size)

    def _check_turn(self, session: _Session, turn: int) -> None:
        if session.turn != turn:
            raise ConflictError("another request goes on with this upload", where="path.upload_id")


class _PartDigest:
    """The digests of one piece."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def update(self, chunks: Sequence[bytes]) -> None:
        """Take bytes. Blocks."""
        for chunk in chunks:
            self._md5.update(chunk)
            self._sha256.update(chunk)

    def compare(self, announced: Digests) -> DigestMismatchError | None:
        """Say what differs from what was announced."""
        try:
            announced.check(md5=self._md5.hexdigest(), sha256=self._sha256.hexdigest())
        except DigestMismatchError as error:
            return error
        return None


class _BrokenOffError(Exception):
    """The body ended early; what came of it has been handed on."""

    def __init__(self, cause: EasError) -> None:
        super().__init__(str(cause))
        self.cause = cause


async def _gather(body: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    pending = 0
    chunks: list[bytes] = []
    failure: EasError | None = None
    try:
        async for chunk in body:
            pending += len(chunk)
            chunks.append(chunk)
            if pending >= BLOCK_SIZE or len(chunks) >= MAX_CHUNKS:
                yield chunks
                chunks, pending = [], 0
    except EasError as error:
        failure = error
    if pending:
        yield chunks
    if failure is not None:
        raise _BrokenOffError(failure)

"""Take in the bytes of a version: bytes first, row second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace

from eas.contracts.digests import Digests
from eas.contracts.errors import EasError, TooLargeError, UnavailableError
from eas_product_store.domain.product import Product, Standing, judge_promise
from eas_product_store.domain.quota import check_quotas
from eas_product_store.domain.removal import check_not_purged
from eas_product_store.domain.version import Deposit, Fingerprint, Version, check_same_bytes
from eas_product_store.logic.ports import Archive, Catalog, CatalogAccess, Clock, IncomingFile
from eas_product_store.logic.quarantine import Quarantine
from eas_product_store.logic.quotas import charge
from eas_product_store.logic.recovery import Recovery

logger = logging.getLogger(__name__)

#: What is gathered before a thread writes it: bytes, or pieces as they came from the network.
BLOCK_SIZE = 1 << 22
MAX_CHUNKS = 256


@dataclass(frozen=True)
class Receipt:
    """The version that a deposit made, or that an earlier, equal one had made."""

    version: Version
    is_new: bool


@dataclass(frozen=True)
class Parcel:
    """A small version with its bytes."""

    deposit: Deposit
    content: bytes
    digests: Digests


@dataclass(frozen=True)
class _Taken:
    """Bytes in their place that no row names yet."""

    file: IncomingFile
    fingerprint: Fingerprint
    store_name: str


class DepositService:
    """Takes deposits.

    The bytes go to a file of their own, are hashed on the way, compared with what was announced, made durable and put
    into their place; then the row is committed. Until then a second name in the archive's ``incoming`` folder says that
    no row is known to exist. A process that dies in between leaves that name, and `Recovery` decides by the catalogue;
    so it does where the database broke off before it said whether the row is there.

    Parameters
    ----------
    max_size
        Most bytes of one version.
    """

    def __init__(
        self,
        catalog: CatalogAccess,
        archive: Archive,
        recovery: Recovery,
        quarantine: Quarantine,
        clock: Clock,
        *,
        max_size: int,
    ) -> None:
        self._catalog = catalog
        self._archive = archive
        self._recovery = recovery
        self._quarantine = quarantine
        self._clock = clock
        self._max_size = max_size

    async def receive(
        self, deposit: Deposit, body: AsyncIterator[bytes], digests: Digests, announced_size: int | None = None
    ) -> Receipt:
        """Store a version. The same bytes by the same attempt again give the version that exists.

        Raises
        ------
        ProductExistsError
            Another task promised this name.
        VersionExistsError
            The attempt stored other bytes under this name before.
        DigestMismatchError
            The bytes are not those that were announced.
        TooLargeError
            There are more than `max_size`.
        QuotaExceededError
            The directory may not hold them.
        """
        self.check_size(announced_size or 0)
        if announced_size is None or announced_size > BLOCK_SIZE:
            # Refuse a long upload before it has come. A short one is looked at once, when its row is made.
            await self.check_name(deposit, announced_size or 0)
        taken = await self._take_in(body, digests)
        return await self.register(deposit, taken.fingerprint, taken.file, taken.store_name)

    async def receive_many(self, parcels: Sequence[Parcel]) -> list[Receipt | EasError]:
        """Store small versions, each by itself, in one transaction. See `receive` for what the errors mean.

        All bytes are written before the first row is asked for: then the rows come together, and share a commit.
        """
        taken = await asyncio.gather(*(self._take_parcel(parcel) for parcel in parcels), return_exceptions=True)
        found = await asyncio.gather(
            *(self._register_parcel(parcel, one) for parcel, one in zip(parcels, taken, strict=True)),
            return_exceptions=True,
        )
        outcomes: list[Receipt | EasError] = []
        for one in found:
            if not isinstance(one, Receipt | EasError):
                raise one
            outcomes.append(one)
        return outcomes

    async def _take_parcel(self, parcel: Parcel) -> _Taken:
        self.check_size(len(parcel.content))
        return await self._take_in(_give(parcel.content), parcel.digests)

    async def _register_parcel(self, parcel: Parcel, taken: _Taken | BaseException) -> Receipt:
        if isinstance(taken, BaseException):
            raise taken
        return await self.register(parcel.deposit, taken.fingerprint, taken.file, taken.store_name)

    async def _take_in(self, body: AsyncIterator[bytes], digests: Digests) -> _Taken:
        """Write bytes, compare them with what was announced, and make them durable in their place."""
        incoming = self._archive.begin()
        try:
            fingerprint = await self._fill(incoming, body)
            digests.check(md5=fingerprint.md5, sha256=fingerprint.sha256)
            return _Taken(incoming, fingerprint, await incoming.publish())
        except BaseException:
            await asyncio.shield(incoming.abandon())
            raise

    async def check_name(self, deposit: Deposit, size: int) -> None:
        """Refuse a name that another task promised, or what the directory has no room for.

        Raises
        ------
        ProductExistsError, QuotaExceededError
        """

        def query(catalog: Catalog) -> None:
            _find_product(catalog, deposit, "query.filename")
            check_quotas(catalog.quotas.find(deposit.promise.directory), size)

        await self._catalog.read(query)

    def check_size(self, size: int) -> None:
        """Refuse more bytes than a version can have. Raises TooLargeError."""
        if size > self._max_size:
            raise TooLargeError(f"a version can have at most {self._max_size} bytes", where="body")

    async def _fill(self, incoming: IncomingFile, body: AsyncIterator[bytes]) -> Fingerprint:
        size = pending = 0
        chunks: list[bytes] = []
        async for chunk in body:
            size += len(chunk)
            pending += len(chunk)
            self.check_size(size)
            chunks.append(chunk)
            if pending >= BLOCK_SIZE or len(chunks) >= MAX_CHUNKS:
                await incoming.append(chunks)
                chunks, pending = [], 0
        await incoming.append(chunks)
        return await incoming.finish()

    async def clear_doubt(self, store_name: str) -> None:
        """See what became of bytes whose commit broke off. Raises UnavailableError while nobody can tell."""
        if self._recovery.is_doubtful(store_name):
            await self._recovery.decide()

    async def register(
        self,
        deposit: Deposit,
        fingerprint: Fingerprint,
        incoming: IncomingFile,
        store_name: str,
        upload_id: str | None = None,
    ) -> Receipt:
        """Make the version of bytes that are in their place; an upload in pieces is complete with it.

        Raises
        ------
        ProductExistsError, VersionExistsError
            As `receive` does; the bytes are removed.
        UnavailableError
            The catalogue could not be written, or did not say whether it was.
        """
        created_at = self._clock()

        def command(catalog: Catalog) -> Receipt:
            product = claim_product(catalog, deposit, "query.filename")
            version = catalog.versions.find_by_attempt(product.product_id, deposit.attempt_id)
            if version is not None:
                check_not_purged(version)
                check_same_bytes(version, fingerprint)
            if version is not None and not version.damaged:
                receipt = Receipt(version, is_new=False)
            else:
                place = catalog.versions.find_twin(fingerprint) or store_name
                catalog.damages.heal(fingerprint, place, created_at)
                if version is None:
                    charge(catalog, deposit.promise.directory, fingerprint.size)
                    added = catalog.versions.add(product, deposit, fingerprint, place, created_at)
                    receipt = Receipt(added, is_new=True)
                else:
                    receipt = Receipt(replace(version, store_name=place, damaged=False), is_new=False)
            if upload_id is not None:
                catalog.uploads.complete(upload_id, receipt.version.version_id, fingerprint.size, created_at)
            return receipt

        try:
            receipt = await self._catalog.write(command)
        except UnavailableError:
            # The commit failed, or it only looks so: the catalogue knows, now or later.
            await asyncio.shield(self._recovery.doubt(store_name))
            raise
        except EasError:
            await asyncio.shield(incoming.abandon())
            raise
        except Exception:
            logger.exception("version of %r by attempt %d", deposit.promise.filename, deposit.attempt_id)
            await asyncio.shield(self._recovery.doubt(store_name))
            raise
        # A cancelled caller does not undo its command, so the bytes stay and the next start looks at them.
        place = receipt.version.store_name
        if place == store_name:
            await incoming.settle()
        elif not receipt.is_new:
            await incoming.abandon()
        elif not await incoming.supersede(place):
            # They were found damaged, and moved away, after the commit.
            await self._quarantine.heal(fingerprint, place)
        return receipt


async def _give(content: bytes) -> AsyncIterator[bytes]:
    yield content


def claim_product(catalog: Catalog, deposit: Deposit, where: str) -> Product:
    """Find or register the product that a deposit is of; a re-run takes it over.

    Raises
    ------
    ProductExistsError
        Another task promised this name.
    """
    product, standing = _find_product(catalog, deposit, where)
    if product is None:
        return catalog.products.add(deposit.promise)
    if standing is Standing.TAKES_OVER:
        return catalog.products.take_over(product, deposit.promise)
    if standing is Standing.MAY_STORE:
        catalog.products.admit(product.product_id, deposit.promise.generator_task_id)
    return product


def _find_product(catalog: Catalog, deposit: Deposit, where: str) -> tuple[Product | None, Standing]:
    promise = deposit.promise
    product = catalog.products.find(promise.directory, promise.filename)
    if product is None:
        return None, Standing.HOLDS
    earlier: Collection[int] = ()
    lost = False
    if product.generator_task_id != promise.generator_task_id:
        earlier = catalog.products.find_earlier_generators([product.product_id]).get(product.product_id, ())
        lost = bool(catalog.products.find_lost([product.generator_task_id]))
    return product, judge_promise(product, earlier, promise, where, lost=lost)

"""What the logic needs from the world: a catalogue of names and an archive of bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from eas.contracts.ids import KnownIds, LostTasks
from eas_product_store.domain.damage import Custody, Damage, StoredObject
from eas_product_store.domain.preview import Preview, PreviewRequest
from eas_product_store.domain.product import Product, Promise
from eas_product_store.domain.quota import Quota
from eas_product_store.domain.removal import Protection, RetentionRule, Tally
from eas_product_store.domain.selection import DirectoryCount, ProductSelection, ProductSummary, VersionSelection
from eas_product_store.domain.upload import PartialState, Upload
from eas_product_store.domain.verdict import Judgement
from eas_product_store.domain.version import Deposit, Fingerprint, Version

T = TypeVar("T")


class ProductTable(Protocol):
    """Products, inside a transaction."""

    def find(self, directory: str, filename: str) -> Product | None:
        """Find the product of a name."""

    def find_many(self, names: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Product]:
        """Find products by (directory, filename)."""

    def add(self, promise: Promise) -> Product:
        """Register a product whose name is free."""

    def add_many(self, promises: Sequence[Promise]) -> None:
        """Register products whose names are free."""

    def complete(self, product_id: int, promise: Promise) -> None:
        """Give a product that came with its first version what its plan says."""

    def find_earlier_generators(self, product_ids: Collection[int]) -> Mapping[int, set[int]]:
        """Find the tasks that may store under the names of products besides those that hold them."""

    def admit(self, product_id: int, task_id: int) -> None:
        """Let one more task store under a name that another holds. Again, it changes nothing."""

    def find_lost(self, task_ids: Collection[int]) -> set[int]:
        """Tell which of these tasks the scheduler does not know any more."""

    def take_over(self, product: Product, promise: Promise) -> Product:
        """Give a product to a re-run's task, and remember the one that had it."""

    def get(self, product_id: int) -> ProductSummary | None:
        """Find one product with its versions summed up."""

    def select(self, selection: ProductSelection, after: int, limit: int) -> list[ProductSummary]:
        """List products by id, from the first beyond `after`."""

    def count_by_directory(self, after: str | None, limit: int) -> list[DirectoryCount]:
        """List directories by name, from the first beyond `after`."""


class VersionTable(Protocol):
    """Versions, inside a transaction."""

    def get(self, version_id: int) -> Version | None:
        """Find one version."""

    def find(self, version_ids: Collection[int]) -> Mapping[int, Version]:
        """Find versions by id."""

    def find_twin(self, fingerprint: Fingerprint) -> str | None:
        """Find where the same bytes are in the archive, whole as far as is known, for another version."""

    def adopt(self, product: Product, source: Version, deposit: Deposit, created_at: datetime) -> Version:
        """Register a version with the bytes of another."""

    def find_by_attempt(self, product_id: int, attempt_id: int) -> Version | None:
        """Find the version that an attempt made of a product."""

    def find_latest(self, name: tuple[str, str], *, accepted: bool) -> Version | None:
        """Find the newest version of a name, or the newest that quality control accepted."""

    def add(
        self, product: Product, deposit: Deposit, fingerprint: Fingerprint, store_name: str, created_at: datetime
    ) -> Version:
        """Register a version whose bytes are in the archive."""

    def select(self, selection: VersionSelection, after: int, limit: int) -> list[Version]:
        """List versions by id, from the first beyond `after`."""

    def find_store_names(self, names: Iterable[str]) -> set[str]:
        """Tell which of these files in the archive belong to a version."""

    def find_orphans(self, names: Collection[str]) -> set[str]:
        """Tell which of these files in the archive nothing needs."""


class LedgerTable(Protocol):
    """Verdicts, inside a transaction."""

    def find_versions(self, attempt_ids: Collection[int]) -> Mapping[int, list[tuple[int, str, bool | None]]]:
        """Find the versions of attempts: attempt to (version id, semantic type, verdict that holds)."""

    def read(self, version_ids: Collection[int]) -> dict[int, list[Judgement]]:
        """Read the verdicts on versions, in the order in which they were recorded."""

    def add(self, judgements: Sequence[Judgement]) -> None:
        """Record verdicts."""

    def settle(self, verdicts: Mapping[int, bool | None]) -> None:
        """Set the verdict that holds: version id to passed."""


class UploadTable(Protocol):
    """Uploads in pieces, inside a transaction."""

    def get(self, upload_id: str) -> Upload | None:
        """Find one upload."""

    def add(self, upload: Upload) -> None:
        """Register an upload."""

    def complete(self, upload_id: str, version_id: int, size: int, at: datetime) -> None:
        """Remember which version an upload became."""

    def find_untouched(self, before: datetime) -> list[str]:
        """Find the uploads that were opened or completed before a time."""

    def find_known(self, upload_ids: Collection[str]) -> set[str]:
        """Tell which of these uploads are registered and not complete."""

    def remove(self, upload_ids: Collection[str]) -> None:
        """Forget uploads."""


class RemovalTable(Protocol):
    """Pins, removed versions and garbage, inside a transaction."""

    def pin(self, version_id: int, pin: str | None) -> None:
        """Pin a version, or take the pin away."""

    def delete(self, version_ids: Collection[int], at: datetime, reason: str) -> None:
        """Remove versions; their bytes stay for now."""

    def restore(self, version_id: int) -> None:
        """Take a removal back."""

    def find_condemned(self, before: datetime, limit: int) -> list[Version]:
        """Find versions that were removed before a time, are not pinned, and still have their bytes."""

    def purge(self, versions: Sequence[Version], at: datetime) -> int:
        """Make tombstones of versions, and garbage of files that no other version needs; tell how many files."""

    def list_garbage(self, limit: int) -> list[str]:
        """List files that no version needs."""

    def forget_garbage(self, store_names: Collection[str]) -> None:
        """Forget files that are gone."""

    def count(self, rule: RetentionRule, protection: Protection, now: datetime) -> tuple[Tally, Tally]:
        """Tell what a rule removes, and what is spared."""

    def select(self, rule: RetentionRule, protection: Protection, now: datetime, limit: int) -> list[Version]:
        """List versions that a rule removes."""


class DamageTable(Protocol):
    """Damages, inside a transaction."""

    def mark(self, version: Version, finding: str, at: datetime) -> Damage | None:
        """Remember that the bytes of a version are damaged; None where they are not its bytes any more, or it is known.

        All versions that share the bytes are damaged.
        """

    def settle(self, damage_id: int, custody: Custody, sha256: str | None, size: int | None) -> None:
        """Remember where damaged bytes are, and what they are."""

    def heal(self, fingerprint: Fingerprint, place: str, at: datetime) -> bool:
        """Give all damaged versions of these bytes a place where the bytes are whole, and tell if there were any."""

    def withdraw(self, damage: Damage) -> None:
        """Take a finding back: the bytes that it speaks of are whole."""

    def find_pending(self) -> list[Damage]:
        """Find the damages whose bytes were not seen into quarantine."""

    def select(self, after: int, limit: int, *, healed: bool | None = None) -> list[Damage]:
        """List damages by id, from the first beyond `after`."""


class QuotaTable(Protocol):
    """Quotas, inside a transaction."""

    def find(self, directory: str) -> list[Quota]:
        """Find the quotas of a directory and of those that it is in."""

    def count(self, quota: Quota, more: int) -> None:
        """Count bytes that came, or with a minus went."""

    def put(self, directory: str, max_bytes: int) -> Quota:
        """Set a quota; what is there is counted once."""

    def remove(self, directory: str) -> bool:
        """Take a quota away, and tell whether there was one."""

    def list_all(self) -> list[Quota]:
        """List all quotas."""


class IdTable(Protocol):
    """Ids, inside a transaction."""

    def find_known(self) -> KnownIds:
        """Find the highest ids of the scheduler."""

    def find_highest_version(self) -> int:
        """Find the newest version; 0 where there is none."""

    def has_plans(self) -> bool:
        """Tell whether a scheduler has ever promised a product here."""

    def add_lost(self, lost: LostTasks) -> None:
        """Remember tasks that the scheduler does not know any more. Again, it changes nothing."""


class Catalog(Protocol):
    """The tables, inside a transaction."""

    @property
    def products(self) -> ProductTable:
        """Products."""

    @property
    def versions(self) -> VersionTable:
        """Versions."""

    @property
    def ledger(self) -> LedgerTable:
        """Verdicts."""

    @property
    def uploads(self) -> UploadTable:
        """Uploads in pieces."""

    @property
    def removals(self) -> RemovalTable:
        """Pins, removed versions and garbage."""

    @property
    def quotas(self) -> QuotaTable:
        """Quotas."""

    @property
    def damages(self) -> DamageTable:
        """Damages."""

    @property
    def ids(self) -> IdTable:
        """Ids."""


class CatalogAccess(Protocol):
    """The way to transactions. A command that raises changes nothing."""

    async def write(self, command: Callable[[Catalog], T]) -> T:
        """Run a command; what it did is durable when this returns."""

    async def read(self, query: Callable[[Catalog], T]) -> T:
        """Run a query on a snapshot."""


class IncomingFile(Protocol):
    """Bytes on their way into the archive. Nobody can read them there before a version names them."""

    async def append(self, chunks: Sequence[bytes]) -> None:
        """Take the next bytes, for good; waits while earlier ones are being written."""

    async def finish(self) -> Fingerprint:
        """Wait until all is written and tell its fingerprint."""

    async def publish(self) -> str:
        """Make the bytes durable in their place and tell their store name."""

    async def settle(self) -> None:
        """After the version is registered: forget that the bytes were incoming."""

    async def supersede(self, store_name: str) -> bool:
        """After the version is registered with the same bytes of another: take their place.

        Tells whether they were there.
        """

    async def abandon(self) -> None:
        """Remove the bytes; also where they were never published."""


class StoredFile(Protocol):
    """Bytes in the archive, open for reading."""

    @property
    def size(self) -> int:
        """How long it is [bytes]."""

    async def read(self, size: int) -> bytes:
        """Read the next bytes; fewer than `size` only at the end. All reads together make up `sha256`."""

    async def seek(self, offset: int) -> None:
        """Go to a place."""

    def sha256(self) -> str:
        """Tell the digest of all bytes read so far."""

    async def close(self) -> None:
        """Close the file."""


class Archive(Protocol):
    """Where the bytes are."""

    def begin(self) -> IncomingFile:
        """Begin to take in bytes."""

    async def open(self, store_name: str) -> StoredFile:
        """Open stored bytes. Raises FileNotFoundError."""

    async def read_scrub_position(self) -> int:
        """Tell where the scrub is to go on; 0 is the beginning."""

    async def write_scrub_position(self, after: int) -> None:
        """Remember where the scrub is to go on."""

    async def list_unsettled(self) -> list[str]:
        """List the store names of bytes that were incoming when an earlier process ended."""

    async def settle(self, store_names: Collection[str]) -> None:
        """Forget that these bytes were incoming."""

    async def remove(self, store_names: Collection[str]) -> None:
        """Remove bytes that no version names."""

    async def list_objects(self, after: str, limit: int) -> list[StoredObject]:
        """List what is in its place by name, from the first beyond `after`."""

    async def quarantine(self, store_name: str, name: str) -> bool:
        """Move bytes into quarantine, durably; again, it changes nothing. Tells whether they are there."""

    async def release(self, name: str, store_name: str) -> None:
        """Move bytes from quarantine to their place, unless others are there now."""

    async def open_quarantined(self, name: str) -> StoredFile:
        """Open bytes in quarantine. Raises FileNotFoundError."""


class PartialFile(IncomingFile, Protocol):
    """Bytes of an upload in pieces. Once something failed it is given up, and made anew from what is on the disk."""

    async def load(self) -> int:
        """Hash what is on the disk, and tell how many bytes there are."""

    async def flush(self) -> int:
        """Make all bytes durable, and tell how many there are."""

    async def cut(self, size: int) -> None:
        """Take back all but the first `size` bytes, and give this up."""

    async def close(self) -> None:
        """Give this up; the bytes on the disk stay."""


class Partials(Protocol):
    """Where the bytes of uploads in pieces are."""

    def resume(self, upload_id: str) -> PartialFile:
        """Go on with the bytes of an upload, or begin them."""

    async def measure_partial(self, upload_id: str) -> PartialState:
        """Tell how many bytes of an upload are there, and since when."""

    async def list_partials(self) -> list[str]:
        """List the uploads of which there are bytes."""

    async def remove_partials(self, upload_ids: Collection[str]) -> None:
        """Remove the bytes of uploads; those that were published stay in their place."""

    async def measure_room(self) -> int:
        """Tell how many bytes more the disk can take."""


class PreviewMaker(Protocol):
    """What looks into files."""

    async def make(
        self, blocks: AsyncIterator[bytes], size: int, mime_type: str, request: PreviewRequest, *, complete: bool
    ) -> Preview:
        """Make a preview of `size` bytes. Raises NoPreviewError, UnreadableError."""


Clock = Callable[[], datetime]

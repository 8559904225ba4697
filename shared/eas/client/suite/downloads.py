"""Getting products out of the store: verified, and nowhere but where the user said."""

from __future__ import annotations

from dataclasses import dataclass
from errno import EEXIST
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from eas.client.suite.errors import FileError
from eas.client.suite.paging import list_products
from eas.contracts.errors import NotFoundError
from eas.contracts.paths import check_directory, check_filename

if TYPE_CHECKING:
    from eas.client.product_store import ProductStoreClient
    from eas.contracts.products import ProductView, VersionView


@dataclass(frozen=True)
class Download:
    """A version that is now a file."""

    path: Path
    version: VersionView

    def __fspath__(self) -> str:
        """Let it be opened like a path."""
        return str(self.path)


async def find_product(products: ProductStoreClient, wanted: str) -> ProductView:
    """Find a product by its id, or by its directory and filename.

    Parameters
    ----------
    products
        The store.
    wanted
        Digits, or ``directory/filename``, in whichever of Unicode's forms a keyboard or a file system gave it.

    Raises
    ------
    NotFoundError
        There is none.
    """
    if wanted.isdecimal():
        return await products.get_product(int(wanted))
    directory, _, filename = normalize("NFC", wanted).strip("/").rpartition("/")
    candidates = await list_products(products, directory=directory, glob=_literal(filename), job_id=None)
    for candidate in candidates:
        if (candidate.directory, candidate.filename) == (directory, filename):
            return candidate
    raise NotFoundError(f"there is no product {filename!r} in the directory {directory!r}")


def _literal(name: str) -> str:
    """Write a name as a glob that matches nothing else."""
    return "".join(f"[{found}]" if found in "*?[" else found for found in name)


def latest_version(product: ProductView) -> VersionView:
    """Give the version that counts. Raises NotFoundError while there is none."""
    if product.latest is None:
        raise NotFoundError(f"product {product.directory}/{product.filename} is planned, but not made yet")
    return product.latest


async def download_product(products: ProductStoreClient, product: ProductView, target: Path | None) -> Download:
    """Fetch the latest version of a product into a file.

    Parameters
    ----------
    products
        The store.
    product
        Which one.
    target
        The file to write, or a folder to write it into; None for the current one.

    Raises
    ------
    NotFoundError
        There is no version of it.
    FileError
        The file cannot be written.
    """
    version = latest_version(product)
    check_filename(product.filename, "product.filename")
    target = target or Path()
    if target.is_dir():
        target /= product.filename
    return await _download(products, version, target)


async def download_job(
    products: ProductStoreClient, job_id: int, folder: Path, *, glob: str | None = None
) -> list[Download]:
    """Fetch the latest versions of a job's products into a folder, which is made if it is missing.

    They keep their filenames; where the job wrote into several directories, these too.

    Raises
    ------
    FileError
        A file cannot be written, or would replace one before it: some disks take ``A`` and ``a`` for the same.
    """
    found = [
        product
        for product in await list_products(products, directory=None, glob=glob, job_id=job_id)
        if product.latest is not None
    ]
    several = len({product.directory for product in found}) > 1
    downloads: list[Download] = []
    alike: dict[str, Path] = {}
    for product in found:
        check_filename(product.filename, "product.filename")
        check_directory(product.directory, "product.directory")
        target = folder / product.directory / product.filename if several else folder / product.filename
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(target.parent, error) from error
        _refuse_twin(target, alike.setdefault(str(target).casefold(), target))
        downloads.append(await _download(products, latest_version(product), target))
    return downloads


def _refuse_twin(target: Path, before: Path) -> None:
    """Refuse to write over a file that was written before, under a name that differs by case only."""
    if target != before and target.exists() and target.samefile(before):
        raise FileError(target, FileExistsError(EEXIST, f"this disk takes it for the same file as {before.name!r}"))


async def _download(products: ProductStoreClient, version: VersionView, target: Path) -> Download:
    try:
        await products.download(version.version_id, target, sha256=version.sha256)
    except OSError as error:
        raise FileError(target, error) from error
    return Download(target, version)

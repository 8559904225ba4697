"""Products: files that tasks made, or are to make."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from shared.clients.suite.downloads import Download, download_product, latest_version
from shared.clients.suite.facts import ProductFacts
from shared.clients.suite.paging import list_versions
from shared.clients.suite.shown import Shown
from shared.contracts.products import ProductView, VersionView


class Product(Shown[ProductView], ProductFacts):
    """A product of the store."""

    async def refresh(self) -> Self:
        """Ask again what is known of it."""
        self._view = await self._clients.product_store.get_product(self.product_id)
        return self

    async def read(self) -> bytes:
        """Fetch the bytes of the latest version, verified.

        Raises
        ------
        NotFoundError
            It is only planned.
        DamagedError
            The stored bytes are damaged, or were on the way.
        """
        version = latest_version(self._view)
        return await self._clients.product_store.read(version.version_id, sha256=version.sha256)

    async def download(self, target: Path | str | None = None) -> Download:
        """Fetch the latest version into a file, which appears complete and verified or not at all.

        Parameters
        ----------
        target
            The file to write, or a folder to write it into; None for the current one.

        Raises
        ------
        NotFoundError
            It is only planned.
        DamagedError
            The stored bytes are damaged, or were on the way.
        FileError
            The file cannot be written.
        """
        return await download_product(self._clients.product_store, self._view, None if target is None else Path(target))

    async def versions(self) -> list[VersionView]:
        """List its versions, oldest first."""
        return await list_versions(self._clients.product_store, self.product_id)

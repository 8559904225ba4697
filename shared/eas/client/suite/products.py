"""Products: files that tasks made, or are to make."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from eas.client.previews import VersionPreview, read_parameters
from eas.client.suite.downloads import Download, download_product, latest_version
from eas.client.suite.facts import ProductFacts
from eas.client.suite.paging import list_versions
from eas.client.suite.shown import Shown
from eas.contracts.products import ProductView, VersionView


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

    async def preview(
        self,
        form: str | None = None,
        *,
        points: int | None = None,
        start: float | None = None,
        end: float | None = None,
        column: str | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> VersionPreview:
        """Show what the latest version holds, without fetching it. A notebook shows pictures.

        Parameters
        ----------
        form
            ``light_curve``, ``plot``, ``headers``, ``table``, ``json``, ``text`` or ``image``; by default a picture,
            where there is one.
        points
            Of a light curve: most samples.
        start, end
            Of a light curve: the times to show, up to but not at `end` [d].
        column
            Of a light curve: ``flux``, ``uncertainty``, or any column of a FITS file.
        width, height
            Of a picture: at most [pixels].

        Raises
        ------
        NotFoundError
            It is only planned.
        NoPreviewError
            Such a file cannot be shown, or not in this form.
        UnreadableError
            The file is damaged, or not what it seems.
        InvalidInputError
            A parameter is not as it has to be.
        """
        wanted = read_parameters(
            form=form, points=points, start=start, end=end, column=column, width=width, height=height
        )
        version = latest_version(self._view)
        return await self._clients.product_store.preview(version.version_id, wanted, picture=True)

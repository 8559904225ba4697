"""Previews of versions, made in other processes, because a file may crash its reader."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from eas.contracts.errors import BusyError, EasError, TooLargeError
from eas.contracts.previews import MAX_TEXT_BYTES, PreviewForm
from eas_product_store.domain.preview import Preview, PreviewRequest, PreviewShelf, tag_preview
from eas_product_store.domain.version import Version
from eas_product_store.logic.ports import PreviewMaker
from eas_product_store.logic.retrieval import OpenVersion, Retrieval

#: Of all previews that are kept in memory together [bytes].
SHELF_BYTES = 32 << 20
MOST_WAITING = 64


class Previews:
    """Makes previews of versions, and keeps some.

    Parameters
    ----------
    retrieval
        Opens versions; only bytes that are what they were are shown.
    maker
        Turns bytes into previews.
    max_size
        Of longer versions only the beginning can be shown, as text [bytes].
    """

    def __init__(self, retrieval: Retrieval, maker: PreviewMaker, *, max_size: int) -> None:
        self._retrieval = retrieval
        self._maker = maker
        self._max_size = max_size
        self._shelf = PreviewShelf(SHELF_BYTES)
        self._waiting = 0

    async def show(self, version: Version, request: PreviewRequest) -> Preview:
        """Give a version's preview.

        Raises
        ------
        NoPreviewError
            There is none, or none in the form that is wanted.
        UnreadableError
            The file is not what it should be.
        TooLargeError
            So long a version has no preview but its beginning as text.
        BusyError
            Too many previews are being made.
        GoneError
            The version was removed, and its bytes with it.
        DamagedError
            Its bytes are not those that were stored.
        """
        tag = tag_preview(version, request)
        kept = self._shelf.find(tag)
        if kept is not None:
            await self._check_there(version)
            return kept
        if self._waiting >= MOST_WAITING:
            raise BusyError(f"{MOST_WAITING} previews are being made")
        self._waiting += 1
        try:
            made = await self._make(version, request)
        finally:
            self._waiting -= 1
        self._shelf.put(tag, made)
        return made

    async def _make(self, version: Version, request: PreviewRequest) -> Preview:
        size = version.fingerprint.size
        complete = size <= self._max_size
        if not complete and request.parameters.form is not PreviewForm.TEXT:
            raise TooLargeError(
                f"version {version.version_id} has {size} bytes; previews are made of at most {self._max_size}, "
                "but for the form text, which shows the beginning",
                where="query.form",
            )
        opened = await self._retrieval.open(version)
        try:
            given = size if complete else MAX_TEXT_BYTES + 1
            content = _read_verified(opened) if complete else opened.read_span(0, given)
            async with aclosing(content) as blocks:
                return await self._maker.make(blocks, given, version.mime_type, request, complete=complete)
        except EasError as error:
            raise type(error)(_name(version, error.message), where=error.where) from error
        finally:
            await opened.close()

    async def _check_there(self, version: Version) -> None:
        await (await self._retrieval.open(version)).close()


async def _read_verified(opened: OpenVersion) -> AsyncGenerator[bytes, None]:
    await opened.prepare()
    async with aclosing(opened.read_all()) as blocks:
        async for block in blocks:
            yield block


def _name(version: Version, message: str) -> str:
    label = f"version {version.version_id}"
    return message if label in message else f"{label} ({version.filename}): {message}"

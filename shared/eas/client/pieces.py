"""Uploads that go on where they were when the connection, or the product store, broke off."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from eas.client.base import Model, raise_for_error
from eas.client.transports.protocol import TRANSFER_TIMEOUT, Answer, Transport
from eas.contracts.digests import REPR_DIGEST, format_digest
from eas.contracts.errors import DamagedError, NotFoundError, RangeError, UnavailableError
from eas.contracts.products import VersionView
from eas.contracts.uploads import OFFSET_HEADER, UploadRequest, UploadView

logger = logging.getLogger(__name__)

#: How often in a row it is tried without a single byte more being there, and the pauses in between [s].
TRIES = 12
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
#: How many uploads that were given up are remembered.
MOST_REMEMBERED = 256


class PiecewiseUploads:
    """Uploads files in pieces, and remembers those that could not be completed, so that a later call goes on.

    Parameters
    ----------
    transport
        Leads to the product store; the caller closes it.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._unfinished: dict[str, str] = {}

    async def upload(self, path: Path, request: UploadRequest) -> VersionView:
        """Upload a file; its SHA-256 is made meanwhile, and compared by the store before there is a version.

        Raises
        ------
        DigestMismatchError
            The file changed while it was read, or was damaged on the way.
        UnavailableError
            The store was away for longer than this waits; calling again goes on.
        EasError
            What the store raised.
        """
        hashing = asyncio.create_task(asyncio.to_thread(hash_file, path))
        hashing.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            view = await self._upload(path, request, hashing)
            return check_stored(view, path, await hashing, request.size or 0)
        finally:
            hashing.cancel()

    async def _upload(self, path: Path, request: UploadRequest, hashing: asyncio.Task[str]) -> VersionView:
        key = request.model_dump_json() + await asyncio.to_thread(_mark_state, path)
        pause, tries, reached = FIRST_PAUSE, 0, -1
        while True:
            try:
                upload_id, offset = await self._find_or_open(key, request)
                if offset > reached:
                    pause, tries, reached = FIRST_PAUSE, 0, offset
                view = await self._bring(path, upload_id, offset, request.size or 0, hashing)
            except (UnavailableError, RangeError) as error:
                tries += 1
                if tries >= TRIES:
                    raise
                logger.warning("upload of %s: %s; going on in %g s", path, error.message, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except NotFoundError:
                self._unfinished.pop(key, None)  # it expired between two calls
                tries += 1
                if tries >= TRIES:
                    raise
            except Exception:
                await self._abort(key)
                raise
            else:
                self._unfinished.pop(key, None)
                return view

    async def _find_or_open(self, key: str, request: UploadRequest) -> tuple[str, int]:
        if (upload_id := self._unfinished.get(key)) is None:
            headers = {"Content-Type": "application/json"}
            answer = await self._request("POST", "uploads", headers=headers, content=request.model_dump_json().encode())
            upload = _read(UploadView, answer)
            while len(self._unfinished) >= MOST_REMEMBERED:
                del self._unfinished[next(iter(self._unfinished))]
            self._unfinished[key] = upload.upload_id
            return upload.upload_id, upload.offset
        upload = _read(UploadView, await self._request("GET", f"uploads/{upload_id}"))
        return upload_id, upload.offset

    async def _bring(
        self, path: Path, upload_id: str, offset: int, size: int, hashing: asyncio.Task[str]
    ) -> VersionView:
        if offset < size:
            await self._send(path, f"uploads/{upload_id}", offset, size)
        headers = {REPR_DIGEST: format_digest(sha256=await asyncio.shield(hashing))}
        return _read(VersionView, await self._request("POST", f"uploads/{upload_id}/commit", headers=headers))

    async def _send(self, path: Path, target: str, offset: int, size: int) -> None:
        headers = {OFFSET_HEADER: str(offset)}
        with await asyncio.to_thread(path.open, "rb") as file:
            raise_for_error(await self._transport.send_file("PATCH", target, file, offset, size - offset, headers))

    async def _abort(self, key: str) -> None:
        """Let the store forget an upload that it refused; where that fails, it forgets it by itself in time."""
        if (upload_id := self._unfinished.pop(key, None)) is not None:
            try:
                await self._request("DELETE", f"uploads/{upload_id}")
            except (UnavailableError, NotFoundError) as error:
                logger.warning("upload %s was not given up: %s", upload_id, error.message)

    async def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Answer:
        answer = await self._transport.send(method, path, headers=headers, content=content, silence=TRANSFER_TIMEOUT)
        raise_for_error(answer)
        return answer


def _read(model: type[Model], answer: Answer) -> Model:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise UnavailableError(f"{answer.url} does not answer like a product store of this version") from error


def check_stored(view: VersionView, path: Path, sha256: str, size: int) -> VersionView:
    """Compare what was stored with the file. Raises DamagedError."""
    if (view.sha256, view.size) != (sha256, size):
        raise DamagedError(f"version {view.version_id} has SHA-256 {view.sha256}; {path} has {sha256}")
    return view


def _mark_state(path: Path) -> str:
    """Tell a file's state, so that an upload never goes on with what has become another file. Blocks."""
    found = path.stat()
    return f" {found.st_size} {found.st_mtime_ns} {found.st_ino}"


def hash_file(path: Path) -> str:
    """Make the SHA-256 of a file. Blocks."""
    with path.open("rb", 0) as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()

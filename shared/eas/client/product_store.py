"""The product store's typed client."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

import httpx
from pydantic import ValidationError

from eas.client.base import raise_for_error
from eas.client.inventory import InventoryClient
from eas.client.pieces import PiecewiseUploads, check_stored
from eas.client.previews import PreviewClient
from eas.client.removals import RemovalClient
from eas.client.small_files import SmallFile, read_files, split
from eas.client.transports.protocol import TRANSFER_TIMEOUT, Answer
from eas.contracts.deposits import DepositAnswer, DepositRequest, DepositResponse, SmallDeposit
from eas.contracts.digests import CONTENT_DIGEST, format_digest, read_digests
from eas.contracts.errors import (
    DamagedError,
    EasError,
    ErrorBody,
    InvalidInputError,
    Problem,
    rebuild_error,
)
from eas.contracts.ids import IdAnswer, IdNotice, ServiceInstance
from eas.contracts.metadata import Metadata
from eas.contracts.products import (
    METADATA_HEADER,
    VERSION_HEADER,
    Adoption,
    AdoptionAnswer,
    AdoptionRequest,
    AdoptionResponse,
    PlannedProduct,
    PlanRequest,
    PlanResponse,
    Verdict,
    VerdictRequest,
    VerdictResponse,
    VersionView,
)
from eas.contracts.uploads import UploadRequest

#: Files above this are uploaded in pieces [bytes].
PIECEWISE_ABOVE = 64 << 20
#: Files up to this are sent from memory [bytes].
BLOCK_SIZE = 1 << 20
#: What is fetched must arrive with the bytes that the store has.
_AS_STORED = {"Accept-Encoding": "identity"}


class ProductStoreClient(InventoryClient, RemovalClient, PreviewClient):
    """Calls of the product store. See `ServiceClient` for the errors that every call can raise.

    Parameters
    ----------
    piecewise_above
        Longer files are uploaded so that they go on after a connection broke off [bytes].
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        piecewise_above: int = PIECEWISE_ABOVE,
    ) -> None:
        super().__init__(url, token, transport=transport)
        self.piecewise_above = piecewise_above
        self._pieces = PiecewiseUploads(self._transport)

    async def plan(self, products: Sequence[PlannedProduct]) -> PlanResponse:
        """Register products that tasks promise to write: all or none. May be repeated.

        Raises
        ------
        ProductExistsError
            Another task holds one of the names.
        """
        return await self._call(PlanResponse, "POST", "plan", body=PlanRequest(products=list(products)))

    async def find_instance(self) -> str:
        """Tell which process answers: another one after every start. Needs the scope ``operate``."""
        return (await self._call(ServiceInstance, "GET", "ids")).instance

    async def compare_ids(self, notice: IdNotice) -> IdAnswer:
        """Tell the store which versions are known, and hear which ids of the scheduler are. May be repeated."""
        return await self._call(IdAnswer, "POST", "ids", body=notice, read_timeout=120.0)

    async def adopt(self, adoptions: Sequence[Adoption]) -> list[AdoptionAnswer]:
        """Let attempts take over versions that equal attempts made; one answer for each. May be repeated."""
        body = AdoptionRequest(adoptions=list(adoptions))
        return (await self._call(AdoptionResponse, "POST", "adoptions", body=body)).answers

    async def upload(
        self,
        path: Path,
        *,
        directory: str,
        filename: str,
        semantic_type: str,
        attempt_id: int,
        task_id: int,
        job_id: int,
        mime_type: str | None = None,
        metadata: Metadata | None = None,
        rerun: bool = False,
    ) -> VersionView:
        """Store a file as a version. May be repeated: the same bytes give the same version.

        The store compares what arrives with the SHA-256 of the file, and refuses what was damaged on the way. A file of
        more than `piecewise_above` bytes is hashed while it is sent, and goes on where it was when the connection, or
        the store, broke off; also in a later call, if it is made with this client.

        Raises
        ------
        VersionExistsError
            The attempt has stored other bytes under this name.
        ProductExistsError
            Another task holds the name, and this is no `rerun`, which would take it over.
        DigestMismatchError
            The file changed while it was read, or was damaged on the way.
        InvalidInputError
            Names or metadata are not as they have to be.
        OSError
            The file cannot be read.
        """
        query: dict[str, str | int] = {
            "directory": directory,
            "filename": filename,
            "semantic_type": semantic_type,
            "attempt_id": attempt_id,
            "task_id": task_id,
            "job_id": job_id,
            **({} if mime_type is None else {"mime_type": mime_type}),
            **({"rerun": "true"} if rerun else {}),
        }
        sha256, size, block = await asyncio.to_thread(_hash_file, path, self.piecewise_above)
        if size > self.piecewise_above:
            try:
                request = UploadRequest.model_validate({**query, "metadata": metadata or {}, "size": size})
            except ValidationError as error:
                raise InvalidInputError(f"the upload cannot be described: {error}", where="body") from error
            return await self._pieces.upload(path, request)
        headers = {
            "Content-Type": "application/octet-stream",
            CONTENT_DIGEST: format_digest(sha256=sha256),
            METADATA_HEADER: _write_metadata(metadata or {}),
        }
        answer = await self._put(query, headers, path, size, block)
        raise_for_error(answer)
        view = self._read(VersionView.model_validate_json, answer.content)
        return check_stored(view, path, sha256, size)

    async def upload_many(self, files: Sequence[SmallFile]) -> list[VersionView | EasError]:
        """Store small files in few requests: for each the version, or what `upload` would have raised. May be repeated.

        Raises
        ------
        InvalidInputError
            A file cannot be described.
        OSError
            One cannot be read.
        """
        found: list[VersionView | EasError] = []
        for part in split(await asyncio.to_thread(read_files, files)):
            body = DepositRequest(deposits=part)
            answers = (await self._call(DepositResponse, "POST", "deposits", body=body, read_timeout=600.0)).answers
            found += [_read_answer(answer, deposit) for answer, deposit in zip(answers, part, strict=True)]
        return found

    async def download(self, version_id: int, target: Path, *, sha256: str | None = None) -> None:
        """Fetch a version into a file, which appears complete and verified or not at all.

        Parameters
        ----------
        version_id
            Which version.
        target
            Where to; replaced if it is there. Its folder must exist.
        sha256
            What the bytes must have; else what the store says they have.

        Raises
        ------
        NotFoundError
            There is no such version.
        DamagedError
            The stored bytes are damaged, or what arrived is not what was expected.
        OSError
            The file cannot be written.
        """
        await self._fetch(f"versions/{version_id}/content", {}, target, sha256)

    async def read(self, version_id: int, *, sha256: str | None = None) -> bytes:
        """Fetch a version into memory, verified.

        Raises
        ------
        NotFoundError
            There is no such version.
        DamagedError
            The stored bytes are damaged, or what arrived is not what was expected.
        """
        path = f"versions/{version_id}/content"
        answer = await self._ask("GET", path, headers=_AS_STORED, read_timeout=TRANSFER_TIMEOUT)
        expected = sha256 or read_digests(answer.headers).sha256
        found = await asyncio.to_thread(lambda: hashlib.sha256(answer.content).hexdigest())
        if expected != found:
            raise DamagedError(f"version {version_id} arrived with SHA-256 {found}; expected {expected}")
        return answer.content

    async def download_latest(self, directory: str, filename: str, target: Path, *, accepted: bool = True) -> None:
        """Fetch the newest (accepted) version of a name. See `download`."""
        query = {"directory": directory, "filename": filename, "accepted": accepted}
        await self._fetch("content", query, target, None)

    @asynccontextmanager
    async def open_content(self, version_id: int, *, byte_range: str | None = None) -> AsyncIterator[httpx.Response]:
        """Open a version for reading as a stream; `byte_range` is a Range header such as ``bytes=0-99``.

        What is read is not verified here; the store breaks the connection off where a whole version is damaged.
        """
        headers = {**_AS_STORED, "Range": byte_range} if byte_range else _AS_STORED
        path = f"versions/{version_id}/content"
        async with self._stream(path, headers=headers, read_timeout=TRANSFER_TIMEOUT) as response:
            yield response

    async def record_verdicts(self, verdicts: Sequence[Verdict]) -> VerdictResponse:
        """Record verdicts of quality control. May be repeated."""
        return await self._call(VerdictResponse, "POST", "verdicts", body=VerdictRequest(verdicts=list(verdicts)))

    async def _fetch(self, path: str, query: dict[str, Any], target: Path, sha256: str | None) -> None:
        temporary = target.with_name(f".{token_hex(8)}.part")
        file = await asyncio.to_thread(temporary.open, "xb")
        try:
            answer, found = await self._transport.fetch(path, file, params=query)
            raise_for_error(answer)
            headers = answer.headers
            expected = sha256 or read_digests(headers).sha256
            if expected != found:
                label = f"version {headers.get(VERSION_HEADER)}"
                raise DamagedError(f"{label} arrived with SHA-256 {found}; expected {expected}")
            await asyncio.to_thread(_put_in_place, file, temporary, target)
        except BaseException:
            file.close()
            temporary.unlink(missing_ok=True)
            raise

    async def _put(
        self, query: dict[str, str | int], headers: dict[str, str], path: Path, size: int, block: bytes
    ) -> Answer:
        """Send a version in one request; `block` is the first block of the file, which for most files is all of it."""
        if len(block) == size:
            return await self._transport.send(
                "PUT", "versions", params=query, headers=headers, content=block, silence=TRANSFER_TIMEOUT
            )
        with await asyncio.to_thread(path.open, "rb") as file:
            return await self._transport.send_file("PUT", "versions", file, 0, size, headers, params=query)


def _read_answer(answer: DepositAnswer, deposit: SmallDeposit) -> VersionView | EasError:
    if answer.version is None:
        problem = answer.error or Problem(slug="unavailable", message="the store gave neither version nor error")
        return rebuild_error(ErrorBody(slug=problem.slug, message=problem.message, where=problem.where))
    if answer.version.sha256 != deposit.sha256:
        return DamagedError(f"version {answer.version.version_id} has SHA-256 {answer.version.sha256}")
    return answer.version


def _write_metadata(metadata: Metadata) -> str:
    try:
        return json.dumps(metadata, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"metadata cannot be written as JSON: {error}", where="metadata") from error


def _hash_file(path: Path, longest: int) -> tuple[str, int, bytes]:
    """Measure a file and, if it is not too long, hash it; the last item is its first block, which mostly is all."""
    size = path.stat().st_size
    if size > longest:
        return "", size, b""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        first = block = file.read(BLOCK_SIZE)
        size = 0
        while block:
            digest.update(block)
            size += len(block)
            block = file.read(BLOCK_SIZE)
    return digest.hexdigest(), size, first


def _put_in_place(file: BinaryIO, temporary: Path, target: Path) -> None:
    file.close()
    temporary.replace(target)

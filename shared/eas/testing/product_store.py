"""A product store in memory, for tests of those who upload and download."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from eas.client.small_files import SmallFile
from eas.contracts.errors import DigestMismatchError, EasError, NotFoundError, UnavailableError, VersionExistsError
from eas.contracts.metadata import Metadata
from eas.contracts.products import VersionView
from eas.contracts.scheduler import OutputVersion


@dataclass
class FakeProductStore:
    """Keeps versions and their bytes. Set `is_down`, and every call fails as if it could not be reached.

    `reruns` are the attempts that said they belong to a re-run, `together` how many files came in one request.
    """

    is_down: bool = False
    refused: int = 0
    versions: dict[int, VersionView] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    reruns: set[int] = field(default_factory=set)
    together: list[int] = field(default_factory=list)

    def put(self, slot: str, filename: str, content: bytes, metadata: Metadata | None = None) -> OutputVersion:
        """Store an accepted version, as some earlier attempt would have done."""
        view = self._store(content, filename, slot, attempt_id=-len(self.versions) - 1, metadata=metadata or {})
        return OutputVersion(slot=slot, passed_qc=True, **view.model_dump(include=_COMMON))

    async def download(self, version_id: int, target: Path, *, sha256: str | None = None) -> None:
        """Write a version's bytes to a file."""
        self._serve()
        if version_id not in self.contents:
            raise NotFoundError(f"no version {version_id}")
        content = self.contents[version_id]
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise DigestMismatchError(f"version {version_id} arrived with another digest")
        await asyncio.to_thread(target.write_bytes, content)

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
        """Store a file; the same bytes again give the same version."""
        self._serve()
        if rerun:
            self.reruns.add(attempt_id)
        content = await asyncio.to_thread(path.read_bytes)
        for version in self.versions.values():
            if (version.attempt_id, version.filename) == (attempt_id, filename):
                if version.sha256 != hashlib.sha256(content).hexdigest():
                    raise VersionExistsError(f"attempt {attempt_id} has stored another {filename}")
                return version
        return self._store(content, filename, semantic_type, attempt_id, metadata or {}, directory, mime_type)

    async def upload_many(self, files: Sequence[SmallFile]) -> list[VersionView | EasError]:
        """Store files together; each by itself."""
        self._serve()
        self.together.append(len(files))
        found: list[VersionView | EasError] = []
        for file in files:
            try:
                values = file.parameters.model_dump()
                found.append(await self.upload(file.path, **values, metadata=file.metadata))
            except EasError as error:
                found.append(error)
        return found

    def _serve(self) -> None:
        if self.is_down:
            self.refused += 1
            raise UnavailableError("the fake product store is down")

    def _store(
        self,
        content: bytes,
        filename: str,
        semantic_type: str,
        attempt_id: int,
        metadata: Metadata,
        directory: str = "trial",
        mime_type: str | None = None,
    ) -> VersionView:
        version_id = len(self.versions) + 1
        self.contents[version_id] = content
        self.versions[version_id] = VersionView(
            version_id=version_id,
            product_id=version_id,
            directory=directory,
            filename=filename,
            semantic_type=semantic_type,
            mime_type=mime_type or "application/octet-stream",
            attempt_id=attempt_id,
            task_id=abs(attempt_id),
            job_id=1,
            md5=hashlib.md5(content).hexdigest(),  # noqa: S324 - a fingerprint
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            created_at=datetime.now(UTC),
            metadata=metadata,
        )
        return self.versions[version_id]


_COMMON = {"version_id", "directory", "filename", "md5", "sha256", "size", "mime_type", "metadata"}

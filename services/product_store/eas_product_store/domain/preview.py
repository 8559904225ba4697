"""Previews of versions: what is asked for, what is made, and by what it is known."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from eas.contracts.previews import JSON, PNG, PreviewForm, PreviewParameters
from eas_product_store.domain.version import Version

#: To be raised when the same bytes get another preview than before: callers keep previews by their tag.
EDITION = 1


@dataclass(frozen=True)
class PreviewRequest:
    """How a preview is to be.

    Parameters
    ----------
    parameters
        What the caller says of it.
    prefers_picture
        Whether, where no form is named, it is to be a picture rather than JSON.
    """

    parameters: PreviewParameters
    prefers_picture: bool = False


@dataclass(frozen=True)
class Preview:
    """A preview: JSON, or a picture as PNG."""

    form: PreviewForm
    forms: tuple[PreviewForm, ...]
    content: bytes

    @property
    def media_type(self) -> str:
        """What `content` is."""
        return PNG if self.form.is_picture else JSON


def tag_preview(version: Version, request: PreviewRequest) -> str:
    """Name a preview: the same bytes, said to be the same, and the same request have the same preview."""
    digest = hashlib.sha256()
    for part in (
        str(EDITION),
        version.fingerprint.sha256,
        version.mime_type,
        str(request.prefers_picture),
        request.parameters.model_dump_json(),
    ):
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()[:32]


class PreviewShelf:
    """The previews that were asked for last, up to so many bytes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._previews: OrderedDict[str, Preview] = OrderedDict()

    def find(self, tag: str) -> Preview | None:
        """Find a preview."""
        if tag in self._previews:
            self._previews.move_to_end(tag)
        return self._previews.get(tag)

    def put(self, tag: str, preview: Preview) -> None:
        """Keep a preview; those that nobody asked for the longest go."""
        if tag in self._previews or len(preview.content) > self._capacity:
            return
        self._previews[tag] = preview
        self._size += len(preview.content)
        while self._size > self._capacity:
            _, gone = self._previews.popitem(last=False)
            self._size -= len(gone.content)

"""How far each segment of a spool folder has been stored, kept on disk."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import orjson

from eas.disk import is_full

logger = logging.getLogger(__name__)


class Positions:
    """Segment name to the number of its bytes that the log service has.

    Replaced as a whole, by a rename. A position that is too low costs nothing but a repetition, which the service
    recognises; so a file that cannot be read counts as empty, one that a full disk does not take is written later, and
    nothing is fsynced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_name: dict[str, int] = {}
        self._full = False
        try:
            found = orjson.loads(path.read_bytes())
            self._by_name = {str(name): int(position) for name, position in found.items()}
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, AttributeError) as error:
            logger.warning("%s cannot be read (%s); all segments are sent again", path, error)

    def get(self, segment: Path) -> int:
        """Tell how much of a segment is stored [bytes]."""
        return self._by_name.get(segment.name, 0)

    def advance(self, positions: dict[Path, int]) -> None:
        """Take note of what has been stored, durably against the death of this process."""
        self._by_name.update({segment.name: position for segment, position in positions.items()})
        self._save()

    def forget(self, segments: list[Path]) -> None:
        """Drop segments that are gone."""
        for segment in segments:
            self._by_name.pop(segment.name, None)
        self._save()

    def _save(self) -> None:
        temporary = self._path.with_name(f".{self._path.name}")
        try:
            temporary.write_bytes(orjson.dumps(self._by_name))
            os.replace(temporary, self._path)  # noqa: PTH105
        except OSError as error:
            if not is_full(error):
                raise
            if not self._full:
                logger.warning(
                    "%s cannot be written (%s); what is shipped meanwhile may be sent again", self._path, error
                )
            self._full = True
        else:
            self._full = False

"""What an attempt's outcome depends on, as a digest: attempts of equal fingerprint make equal outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from eas.contracts.metadata import Metadata
from eas.contracts.reuse import FingerprintPart

#: Of the whole, and of what is kept of a part's digest, which only tells what differs [bytes].
_BYTES = 16
_PART_BYTES = 4
#: The order of the parts in `Fingerprint.parts`. New ones go to the end.
_ORDER = tuple(FingerprintPart)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What an attempt's outcome depends on.

    Parameters
    ----------
    digest
        Of everything, in hexadecimal.
    parts
        The digests of the single parts, one after the other, in hexadecimal.
    """

    digest: str
    parts: str


def take_fingerprint(
    *,
    task_type: str,
    version: str,
    settings: Mapping[str, Any],
    metadata: Metadata,
    seed: int | None,
    requested: Mapping[str, Metadata],
    inputs: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, str],
) -> Fingerprint:
    """Take the fingerprint of an attempt.

    Names of products do not count, but what they end with does: task types choose the format of a file by it.

    Parameters
    ----------
    task_type, version
        What runs.
    settings
        As evaluated.
    metadata
        What the task inherits.
    seed
        None where the task type draws no random numbers.
    requested
        Metadata of other tasks by name.
    inputs
        The versions that are read, by slot, as `OutputVersion` describes them.
    outputs
        Filenames by slot.
    """
    read = {slot: [one["sha256"], _ending(one["filename"]), one.get("metadata")] for slot, one in inputs.items()}
    values: dict[FingerprintPart, object] = {
        FingerprintPart.VERSION: [task_type, version],
        FingerprintPart.SETTINGS: settings,
        FingerprintPart.SEED: seed,
        FingerprintPart.METADATA: metadata,
        FingerprintPart.REQUESTED_METADATA: requested,
        FingerprintPart.INPUTS: read,
        FingerprintPart.OUTPUTS: {slot: _ending(filename) for slot, filename in outputs.items()},
    }
    digests = [blake2b(_dumps(values[part]), digest_size=_BYTES).digest() for part in _ORDER]
    parts = b"".join(digest[:_PART_BYTES] for digest in digests)
    return Fingerprint(blake2b(b"".join(digests), digest_size=_BYTES).hexdigest(), parts.hex())


def find_differing_parts(one: str, other: str) -> list[FingerprintPart]:
    """Say in which parts two fingerprints differ."""
    width = 2 * _PART_BYTES
    return [
        part
        for index, part in enumerate(_ORDER)
        if one[index * width : (index + 1) * width] != other[index * width : (index + 1) * width]
    ]


def find_differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Say under which keys two objects differ."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key, _ABSENT) != other.get(key, _ABSENT))


_ABSENT = object()


def _dumps(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _ending(filename: str) -> str:
    """Take the suffixes that may name a format; ``lc_0.1.fits.gz`` ends with ``.fits.gz``."""
    ending = ""
    _, *suffixes = filename.rpartition("/")[2].split(".")
    for suffix in reversed(suffixes):
        if not suffix[:1].isalpha():
            break
        ending = f".{suffix}{ending}"
    return ending

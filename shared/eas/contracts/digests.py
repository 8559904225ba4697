"""Digests in HTTP headers: Content-MD5 (RFC 1864) and Content-Digest or Repr-Digest (RFC 9530)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from eas.contracts.errors import DigestMismatchError, InvalidInputError

CONTENT_MD5 = "Content-MD5"
CONTENT_DIGEST = "Content-Digest"
REPR_DIGEST = "Repr-Digest"

_LENGTHS = {"md5": 16, "sha-256": 32}
_HEXADECIMAL_MD5 = re.compile(r"[0-9A-Fa-f]{32}")
_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):(?:;[^,]*)?")


@dataclass(frozen=True)
class Digests:
    """Digests of some bytes in lower-case hexadecimal, as far as they are known."""

    md5: str | None = None
    sha256: str | None = None

    def check(self, *, md5: str, sha256: str) -> None:
        """Compare with the digests of the bytes that arrived.

        Raises
        ------
        DigestMismatchError
            One that is known differs.
        """
        for name, announced, found in (("MD5", self.md5, md5), ("SHA-256", self.sha256, sha256)):
            if announced is not None and announced != found:
                raise DigestMismatchError(
                    f"the {name} of the bytes that arrived is {found}; {announced} was announced", where="body"
                )


def format_digest(*, sha256: str, md5: str | None = None) -> str:
    """Write a Content-Digest or Repr-Digest field from hexadecimal digests."""
    members = {"sha-256": sha256} if md5 is None else {"sha-256": sha256, "md5": md5}
    return ", ".join(f"{name}=:{encode_base64(value)}:" for name, value in members.items())


def encode_base64(digest: str) -> str:
    """Write a hexadecimal digest in base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def read_digests(headers: Mapping[str, str | None] | Mapping[str, str]) -> Digests:
    """Read all digests that a request or a response announces. Algorithms other than sha-256 and md5 are left out.

    Parameters
    ----------
    headers
        With names in any case that the mapping itself understands.

    Raises
    ------
    InvalidInputError
        A field cannot be read, or two of them contradict each other.
    """
    found: dict[str, str] = {}
    for name in (CONTENT_DIGEST, REPR_DIGEST):
        if (value := headers.get(name)) is not None:
            _merge(found, _read_dictionary(value, name), name)
    if (value := headers.get(CONTENT_MD5)) is not None:
        _merge(found, {"md5": _read_md5(value.strip())}, CONTENT_MD5)
    return Digests(md5=found.get("md5"), sha256=found.get("sha-256"))


def _merge(found: dict[str, str], new: dict[str, str], name: str) -> None:
    for algorithm, digest in new.items():
        if found.setdefault(algorithm, digest) != digest:
            raise InvalidInputError(
                f"announces another {algorithm} digest than an earlier field", where=f"header.{name}"
            )


def _read_md5(value: str) -> str:
    if _HEXADECIMAL_MD5.fullmatch(value):
        return value.lower()
    return _decode("md5", value, CONTENT_MD5)


def _read_dictionary(value: str, name: str) -> dict[str, str]:
    found = {}
    for member in value.split(","):
        match = _MEMBER.fullmatch(member.strip(" \t"))
        if match is None:
            raise InvalidInputError(
                "expected members like sha-256=:BASE64: separated by commas", where=f"header.{name}"
            )
        algorithm, encoded = match.groups()
        if algorithm in _LENGTHS:
            found[algorithm] = _decode(algorithm, encoded, name)
    return found


def _decode(algorithm: str, encoded: str, name: str) -> str:
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _unreadable(algorithm, name) from error
    if len(digest) != _LENGTHS[algorithm]:
        raise _unreadable(algorithm, name)
    return digest.hex()


def _unreadable(algorithm: str, name: str) -> InvalidInputError:
    forms = "in base64 or hexadecimal" if name == CONTENT_MD5 else "in base64"
    return InvalidInputError(
        f"expected {_LENGTHS[algorithm]} bytes {forms} as {algorithm} digest", where=f"header.{name}"
    )

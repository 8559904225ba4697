"""Digests in headers: read, written, compared."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas.contracts.digests import Digests, encode_base64, format_digest, read_digests
from eas.contracts.errors import DigestMismatchError, InvalidInputError

DATA = b"a light curve"
MD5 = hashlib.md5(DATA).hexdigest()
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("form", [MD5, MD5.upper(), base64.b64encode(hashlib.md5(DATA).digest()).decode(), f" {MD5} "])
def test_content_md5_in_base64_or_hexadecimal(form: str) -> None:
    assert read_digests({"Content-MD5": form}) == Digests(md5=MD5)


@pytest.mark.parametrize("name", ["Content-Digest", "Repr-Digest"])
def test_rfc_9530_fields_with_other_algorithms_beside(name: str) -> None:
    field = f"crc32c=:AAAAAA==:, {format_digest(sha256=SHA256, md5=MD5)}"
    assert read_digests({name: field}) == Digests(md5=MD5, sha256=SHA256)


def test_no_header_no_digest() -> None:
    assert read_digests({}) == Digests()
    assert read_digests({"Content-MD5": None, "Content-Digest": None}) == Digests()


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Content-MD5", "not a digest"),
        ("Content-MD5", "AAAA"),
        ("Content-MD5", "g" * 32),
        ("Content-Digest", "sha-256=AAAA"),
        ("Content-Digest", "sha-256=:AAAA:"),
        ("Content-Digest", "sha-256=:A:"),
        ("Repr-Digest", ""),
    ],
)
def test_an_unreadable_digest_is_refused_where_it_is(name: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_digests({name: field})
    assert caught.value.where == f"header.{name}"


def test_fields_that_contradict_each_other_are_refused() -> None:
    other = hashlib.md5(b"other").hexdigest()
    with pytest.raises(InvalidInputError, match="another md5"):
        read_digests({"Content-Digest": format_digest(sha256=SHA256, md5=MD5), "Content-MD5": other})


def test_comparison_names_both_digests() -> None:
    Digests(md5=MD5, sha256=SHA256).check(md5=MD5, sha256=SHA256)
    Digests().check(md5=MD5, sha256=SHA256)
    with pytest.raises(DigestMismatchError, match=f"MD5 .*{MD5}.*{'0' * 32}"):
        Digests(md5="0" * 32, sha256=SHA256).check(md5=MD5, sha256=SHA256)
    with pytest.raises(DigestMismatchError, match="SHA-256"):
        Digests(sha256="0" * 64).check(md5=MD5, sha256=SHA256)


@given(st.binary(max_size=64))
def test_what_is_written_is_read_back(data: bytes) -> None:
    md5, sha256 = hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest()
    headers = {"Repr-Digest": format_digest(sha256=sha256, md5=md5), "Content-MD5": encode_base64(md5)}
    assert read_digests(headers) == Digests(md5=md5, sha256=sha256)

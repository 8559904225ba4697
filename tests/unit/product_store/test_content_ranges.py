"""Conditions and ranges of a download."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas.contracts.errors import PreconditionError, RangeError
from eas_product_store.handlers.ranges import check_if_match, is_unchanged, read_range

TAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-4", (2, 3)),
        ("bytes=7-", (7, 3)),
        ("bytes=7-999999", (7, 3)),
        ("bytes=-3", (7, 3)),
        ("bytes=-300", (0, 10)),
        ("Bytes= 2-4 ", (2, 3)),
        (None, None),
        ("bytes=0-1,4-5", None),
        ("bytes=4-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 50 + "-", None),
    ],
)
def test_ranges_of_ten_bytes(header: str | None, expected: tuple[int, int] | None) -> None:
    assert read_range(header, None, TAG, 10) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-0", 0)])
def test_a_range_beyond_the_end_is_an_error(header: str, size: int) -> None:
    with pytest.raises(RangeError, match=f"{size} bytes"):
        read_range(header, None, TAG, size)


@pytest.mark.parametrize("header", ["bytes=-5", "bytes=-1"])
def test_the_end_of_an_empty_content_is_all_of_it(header: str) -> None:
    assert read_range(header, None, TAG, 0) is None


@pytest.mark.parametrize("header", [None, "*", TAG, f'"x", {TAG}', f"W/{TAG},{TAG}"])
def test_who_means_this_version_gets_it(header: str | None) -> None:
    check_if_match(header, TAG)


@pytest.mark.parametrize("header", ['"x"', f"W/{TAG}", "", "abc", '"x", "y"', f'"x", W/{TAG}'])
def test_who_means_another_version_does_not(header: str) -> None:
    with pytest.raises(PreconditionError, match='ETag is "abc"'):
        check_if_match(header, TAG)


def test_a_range_is_for_the_version_that_it_names() -> None:
    assert read_range("bytes=2-4", TAG, TAG, 10) == (2, 3)
    for other in ('"other"', f"W/{TAG}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert read_range("bytes=2-4", other, TAG, 10) is None


@pytest.mark.parametrize("header", [TAG, f"W/{TAG}", f'"x", {TAG}', "*", f'"x",W/{TAG}'])
def test_a_known_tag_is_unchanged(header: str) -> None:
    assert is_unchanged(header, TAG)


@pytest.mark.parametrize("header", [None, "", '"abcd"', "abc", '"x", "y"'])
def test_another_tag_is_not(header: str | None) -> None:
    assert not is_unchanged(header, TAG)


@given(st.text(alphabet="bytes=-0123456789, ", max_size=20), st.integers(0, 1000))
def test_whatever_is_asked_for_a_range_lies_within(header: str, size: int) -> None:
    try:
        span = read_range(header, None, TAG, size)
    except RangeError:
        return
    if span is not None:
        first, length = span
        assert 0 <= first < first + length <= size

"""Which directories and filenames are accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas.contracts.errors import UnsafePathError
from eas.contracts.paths import check_directory, check_filename, check_relative_path

UNSAFE = {
    "../x": "'..'",
    "a/../b": "'..'",
    "a/./b": "'.'",
    "..": "'..'",
    "/etc/passwd": "absolute",
    "a//b": "empty",
    "a/": "empty",
    "": "empty",
    "a\\b": "backslash",
    "a\0b": "U+0000",
    "a\nb": "U+000A",
    "a\u202eb": "U+202E",
    "a\u2028b": "U+2028",
    "a\ud800b": "U+D800",
    "b\ufffd": "U+FFFD",
    "a\u200fb": "U+200F",
    " a": "blank",
    "a /b": "blank",
    "a\u00a0": "blank",
    "e\u0301": "NFC",
    "x" * 4000: "4000 characters",
    "é" * 200: "255 bytes",
}


@pytest.mark.parametrize("path", UNSAFE)
def test_unsafe_paths_are_refused_with_the_reason_and_the_place(path: str) -> None:
    with pytest.raises(UnsafePathError) as caught:
        check_relative_path(path, "$.working_directory")
    assert UNSAFE[path] in caught.value.message
    assert caught.value.where == "$.working_directory"
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "path", ["a", "a/b/c", "my job/lc 1.fits", "été/λ.fits", "CON", "...", "-rf", "a..b", ".hidden"]
)
def test_plain_paths_are_accepted_unchanged(path: str) -> None:
    assert check_relative_path(path, "x") == path


def test_the_top_directory_is_the_empty_string_but_no_filename_is_empty() -> None:
    assert check_directory("", "x") == ""
    with pytest.raises(UnsafePathError, match="empty"):
        check_filename("", "x")


def test_a_filename_has_one_part() -> None:
    assert check_filename("lc.fits", "x") == "lc.fits"
    with pytest.raises(UnsafePathError, match="working directory"):
        check_filename("a/lc.fits", "x")
    with pytest.raises(UnsafePathError, match="at most 255"):
        check_filename("x" * 256, "x")


@given(st.text(alphabet=st.sampled_from("./\\ \0ab\u0301é"), max_size=12))
def test_what_is_accepted_never_leaves_its_folder(path: str) -> None:
    try:
        check_relative_path(path, "x")
    except UnsafePathError:
        return
    parts = path.split("/")
    assert all(part and part not in {".", ".."} for part in parts)
    assert not path.startswith("/")
    assert "\\" not in path
    assert "\0" not in path

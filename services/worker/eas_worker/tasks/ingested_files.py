"""Which files an ingest takes, and how their products are called."""

from __future__ import annotations

import glob
import os
import unicodedata
from pathlib import Path

from eas.authoring.errors import InputError
from eas.contracts.errors import UnsafePathError
from eas.contracts.paths import check_filename

_KNOWN_SUFFIXES = (
    ".gz",
    ".bz2",
    ".xz",
    ".fits",
    ".fit",
    ".fts",
    ".csv",
    ".tsv",
    ".txt",
    ".dat",
    ".tbl",
    ".lcsg",
    ".npz",
)
#: Files that systems put into folders, besides those whose names begin with a dot.
_FILES_OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
_LONGEST_STEM = 180


def find_files(root: Path | None, pattern: str) -> list[Path]:
    """List the files below `root` that match, sorted by name; hidden ones only where the pattern names the dot.

    Names match in composed and in decomposed form (NFC and NFD).

    Raises
    ------
    InputError
        The worker has no input directory, the pattern leads out of it, or so does the only file that matches.
    """
    if root is None:
        raise InputError("this worker has no input directory: set EAS_WORKER_INPUT_DIRECTORY to read external files")
    base = root.resolve()
    relative = _relative_to(base, root, pattern)
    spelt = dict.fromkeys((relative, *(unicodedata.normalize(form, relative) for form in ("NFC", "NFD"))))
    names = {name for form in spelt for name in glob.glob(form, root_dir=base, recursive=True)}  # noqa: PTH207  (knows hidden files)
    names |= {form for form in spelt if (base / form).is_file()}  # a name with [ or ] in it
    found = sorted(base / name for name in names if Path(name).name.lower() not in _FILES_OF_SYSTEMS)
    return [path for path in found if path.is_file()]


def _relative_to(base: Path, root: Path, pattern: str) -> str:
    relative = Path(pattern)
    if "\0" in pattern:
        raise InputError(f"input_path {pattern!r} has a NUL character")
    if ".." in relative.parts:
        raise InputError(f"input_path {pattern!r} must not contain '..'")
    if relative.is_absolute():
        above = next((place for place in (root.absolute(), base) if relative.is_relative_to(place)), None)
        if above is None:
            raise InputError(f"input_path {pattern!r} is not below the input directory of this worker")
        relative = relative.relative_to(above)
    if not relative.parts:
        raise InputError(f"input_path {pattern!r} names no file")
    return str(relative)


def require_inside(root: Path | None, path: Path) -> None:
    """Refuse a link that leads out of the input directory.

    Raises
    ------
    InputError
        It does.
    """
    base = (root or path.parent).resolve()
    if not path.resolve().is_relative_to(base):
        raise InputError(f"{show_name(str(path.relative_to(base)))} is a link that leads out of the input directory")


def product_names(paths: list[Path]) -> list[str]:
    """Name the products like their files, with the suffix of what is written; a number tells namesakes apart.

    Names are composed (NFC); what names of products must not have becomes an underscore.
    """
    names: list[str] = []
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for path in paths:
        stem = path.name
        while stem.lower().endswith(_KNOWN_SUFFIXES) and Path(stem).stem:
            stem = Path(stem).stem
        stem = _allowed(stem)
        number = counts.get(stem, 0) + 1
        while (name := f"{stem}.npz" if number == 1 else f"{stem}_{number}.npz") in taken:
            number += 1
        counts[stem] = number
        taken.add(name)
        names.append(name)
    return names


def show_name(name: str) -> str:
    """Make a text from a name on disk that can be written anywhere: composed, and valid UTF-8."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


def _allowed(stem: str) -> str:
    composed = show_name(stem).replace("\ufffd", "_").replace("\\", "_").strip()
    plain = "".join("_" if unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Zl", "Zp") else mark for mark in composed)
    while len(plain.encode()) > _LONGEST_STEM:
        plain = plain[:-1]
    try:
        check_filename(f"{plain}.npz", "filename")
    except UnsafePathError:
        return "light_curve"
    return plain or "light_curve"

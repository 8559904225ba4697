"""Names of products: which directories and filenames the system accepts.

The scheduler checks them when a job is submitted and the product store when a product is planned or uploaded. A name is
refused rather than repaired, so that two spellings never mean the same product. Device names of other systems, such as
``CON``, are ordinary names: the store's files on disk are never called by the names of their products.
"""

from __future__ import annotations

import unicodedata

from eas.contracts.errors import UnsafePathError
from eas.contracts.products import MAX_DIRECTORY_LENGTH, MAX_FILENAME_LENGTH

#: Longest part between slashes [bytes of UTF-8]; the limit of the file systems that workers write to.
MAX_SEGMENT_BYTES = 255

#: Unicode categories of what cannot be seen: control, format, surrogates, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: What decoders put in place of bytes that are not UTF-8.
_REPLACEMENT = "\ufffd"


def check_relative_path(path: str, where: str, *, max_length: int = MAX_DIRECTORY_LENGTH) -> str:
    """Refuse a path that is not relative, plain and free of tricks; return it unchanged.

    Parameters
    ----------
    path
        Names separated by ``/``.
    where
        The place in the caller's input, for the error.
    max_length
        [characters]

    Raises
    ------
    UnsafePathError
        It is empty, absolute, too long, has an empty, ``.`` or ``..`` part, a backslash, an invisible character, a
        blank at either end of a part, was not UTF-8, or is not in Unicode's composed form (NFC).
    """
    if (fault := _find_fault(path, max_length)) is not None:
        shown = path if len(path) <= 80 else f"{path[:77]}..."
        raise UnsafePathError(f"{shown!r} {fault}", where=where)
    return path


def check_directory(directory: str, where: str) -> str:
    """Refuse an unsafe directory; the empty string is the top. See `check_relative_path`."""
    return check_relative_path(directory, where) if directory else directory


def check_filename(filename: str, where: str) -> str:
    """Refuse a filename that is unsafe or has more than one part. See `check_relative_path`."""
    check_relative_path(filename, where, max_length=MAX_FILENAME_LENGTH)
    if "/" in filename:
        raise UnsafePathError(f"{filename!r} has a '/'; folders belong into the working directory", where=where)
    return filename


def _find_fault(path: str, max_length: int) -> str | None:
    if len(path) > max_length:
        return f"has {len(path)} characters; at most {max_length} are allowed"
    if path.isascii() and path.isprintable():
        invisible = None
    else:
        invisible = next((found for found in path if unicodedata.category(found) in _INVISIBLE), None)
    if invisible is not None:
        return f"has the invisible character U+{ord(invisible):04X}"
    if _REPLACEMENT in path:
        return "has the character U+FFFD, which is what is left of bytes that are not UTF-8"
    if "\\" in path:
        return "has a backslash; names are separated by '/'"
    if path.startswith("/"):
        return "is absolute; expected a path relative to the store"
    if not unicodedata.is_normalized("NFC", path):
        return "is not in Unicode's composed form (NFC), so that it would have a twin that looks the same"
    return next((fault for part in path.split("/") if (fault := _find_fault_of_part(part)) is not None), None)


def _find_fault_of_part(part: str) -> str | None:
    if not part:
        return "has an empty name; expected at least one character"
    if part in {".", ".."}:
        return f"has the part {part!r}, which would leave its place"
    if part != part.strip():
        return "has a blank at the start or the end of a name"
    if len(part.encode()) > MAX_SEGMENT_BYTES:
        return f"has a name of more than {MAX_SEGMENT_BYTES} bytes"
    return None

"""Texts that services send each other about what happened: reasons, messages. Over-long ones are cut, never refused.

Whoever writes such a text (a traceback, quality control's list of bad samples) cannot be asked to write it again, and
what it goes with must not be lost for its length.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

#: Most characters of quality control's word on one version.
MAX_REASON = 4096
#: Most characters of the name of who said something.
MAX_AUTHOR = 256
#: Most characters of what an attempt ended with.
MAX_MESSAGE = 65_536

#: A name that stands in one line: without control characters.
LINE_PATTERN = r"^[^\x00-\x1f\x7f]+$"
#: A name of a thing that everybody refers to: a worker, a task type, a container.
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=LINE_PATTERN)]


def cut_text(text: str, most: int, *, keep_end: bool = False) -> str:
    """Cut an over-long text.

    Parameters
    ----------
    text
        What was said.
    most
        Most characters, mark included; at least 100.
    keep_end
        Cut the beginning, not the end: the last lines of a traceback say what happened.

    Returns
    -------
    str
        `text` itself where it fits; else the part kept, with a mark that says how many characters are missing.
    """
    if len(text) <= most:
        return text
    kept = most - 48
    mark = f"[… {len(text) - kept} characters cut …]"
    return mark + text[-kept:] if keep_end else text[:kept] + mark


def clean_text(text: str) -> str:
    """Write lone surrogates, which come from undecodable file names and have no UTF-8 form, as escapes."""
    return str(text) if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def cut_reason(text: str) -> str:
    """Cut quality control's word to `MAX_REASON` characters."""
    return cut_text(text, MAX_REASON)


def cut_message(text: str) -> str:
    """Cut what an attempt ended with to `MAX_MESSAGE` characters; the end of it is kept."""
    return cut_text(text, MAX_MESSAGE, keep_end=True)


def clean_message(text: str) -> str:
    """Keep the end of an over-long message, and nothing that has no place in JSON."""
    return cut_message(clean_text(text))


def cut_author(text: str) -> str:
    """Cut a name to `MAX_AUTHOR` characters."""
    return cut_text(text, MAX_AUTHOR)


#: Who said something, in wire models.
Author = Annotated[str, AfterValidator(cut_author)]
#: Quality control's word, in wire models.
Reason = Annotated[str, AfterValidator(cut_reason)]
#: What an attempt ended with, in wire models.
Message = Annotated[str, AfterValidator(cut_message)]

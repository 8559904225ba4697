"""What people search for: words, "words that stand together", and beginnings* of words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eas.contracts.errors import InvalidInputError

_TERM = re.compile(r'"([^"]*)"|(\S+)')


@dataclass(frozen=True)
class SearchTerm:
    """Words that stand together; `is_beginning` where the last of them may go on."""

    words: str
    is_beginning: bool = False


def parse_search(text: str) -> list[SearchTerm]:
    """Read the terms of a search.

    Raises
    ------
    InvalidInputError
        There is no letter or digit in it.
    """
    terms = []
    for quoted, plain in _TERM.findall(text.replace("\0", " ")):
        words = quoted or plain.rstrip("*").replace('"', " ")
        if any(character.isalnum() for character in words):
            terms.append(SearchTerm(words, is_beginning=plain.endswith("*")))
    if not terms:
        raise InvalidInputError(f"{text!r} has no word to search for", where="query.text")
    return terms

"""The words of a text, as the index of words of every engine has them.

They are those of SQLite's tokeniser ``unicode61``: runs of letters and digits of any script, in lower case, Latin
letters without accents.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from eas_logging.domain.search_text import parse_search

_PLAIN = re.compile(r"[a-z0-9]+")


class _Folding(dict[int, str]):
    """What becomes of each character, found out when it comes for the first time."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _fold(chr(code))
        return found


#: The marks that its list of accents has, which was made for Latin letters.
_ACCENTS = frozenset(
    "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u0309\u030a\u030b\u030c\u030f\u0311\u031b"
    "\u0323\u0324\u0325\u0326\u0327\u0328\u032d\u032e\u0330\u0331"
)

_FOLDED = _Folding()


def split_words(text: str) -> list[str]:
    """Split a text into its words, in their order."""
    if text.isascii():
        return _PLAIN.findall(text.lower())
    return text.translate(_FOLDED).split()


def _fold(character: str) -> str:
    """Make a character small and plain; what is no letter or digit separates words, and an accent is nothing."""
    kind = unicodedata.category(character)
    if kind[0] in "LN" or kind in ("Co", "Cn"):
        small = character.casefold() if len(character.casefold()) == 1 else character.lower()
        parts = unicodedata.normalize("NFD", small)
        if len(parts) == 2 and parts[0].isascii():
            return parts[0]
        return small if len(small) == 1 else character
    return "" if character in _ACCENTS else " "


@dataclass(frozen=True)
class Phrase:
    """Words that stand together; `is_beginning` where the last of them may go on."""

    words: list[str]
    is_beginning: bool

    def stands_in(self, words: list[str]) -> bool:
        """Tell whether these words have it somewhere."""
        *first, last = self.words
        for end in range(len(first), len(words)):
            if words[end - len(first) : end] == first and (
                words[end].startswith(last) if self.is_beginning else words[end] == last
            ):
                return True
        return False


def split_search(text: str) -> list[Phrase]:
    """Read the terms of a search as words; a term without any is left out.

    Raises
    ------
    InvalidInputError
        There is no letter or digit in it.
    """
    phrases = [Phrase(split_words(term.words), term.is_beginning) for term in parse_search(text)]
    return [phrase for phrase in phrases if phrase.words]

"""Our words are those of SQLite's tokeniser, which its index of words has."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing

import pytest

from eas_logging.domain.words import Phrase, split_words


def split_by_sqlite(texts: Sequence[str]) -> list[list[str]]:
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE texts USING fts5(text)")
        connection.execute("CREATE VIRTUAL TABLE words USING fts5vocab(texts, 'instance')")
        connection.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", enumerate(texts))
        for text, place, word in connection.execute("SELECT doc, offset, term FROM words"):
            found[text].append((place, word))
    return [[word for _, word in sorted(found[number])] for number in range(len(texts))]


def test_every_character_that_is_old_enough_is_the_same_to_both() -> None:
    # Its tables are of Unicode 6.1, Python's are newer; what was there in 3.2 and is the same now, both know.
    old = unicodedata.ucd_3_2_0
    characters = [
        chr(code)
        for code in range(1, 0x110000)
        if not 0xD800 <= code < 0xE000 and old.category(chr(code))[0] == unicodedata.category(chr(code))[0] != "C"
    ]
    texts = [f"a{character}b {character}c" for character in characters]
    differ = [
        character
        for character, text, words in zip(characters, texts, split_by_sqlite(texts), strict=True)
        if split_words(text) != words
    ]
    # Capitals whose small letters came later.
    assert len(differ) < 200
    assert all(unicodedata.category(character) == "Lu" and ord(character) > 0x250 for character in differ)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Période trouvée: 3.85 d, flux_error=1e-5 (TIC-261136679)",
        "ΑΣΤΡΟΝΟΜΙΑΣ Straße İstanbul ﬁne ǅ ẞ",
        "e\u0301te\u0301 \u0301x 東京 ２３ ½ 🏁x",
        "a\0b\x7f\u2028c",
        "Việt Nam: ấ ǻ",
    ],
)
def test_texts_are_split_alike(text: str) -> None:
    assert split_words(text) == split_by_sqlite([text])[0]


@pytest.mark.parametrize(
    ("phrase", "stands"),
    [
        (Phrase(["b", "c"], False), True),
        (Phrase(["a", "c"], False), False),
        (Phrase(["b", "d"], True), False),
        (Phrase(["c", "de"], True), True),
        (Phrase(["c", "de"], False), False),
        (Phrase(["deep", "b"], True), False),
        (Phrase(["a", "b", "c", "deep", "e"], False), False),
    ],
)
def test_phrases_stand_where_their_words_follow_each_other(phrase: Phrase, stands: bool) -> None:
    assert phrase.stands_in(["a", "b", "c", "deep"]) == stands

"""Job documents may be given as mappings, paths or texts."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from eas.client.suite.documents import read_document
from eas.client.suite.errors import FileError
from eas.contracts.errors import InvalidInputError


async def test_a_mapping_is_written_as_json() -> None:
    document = MappingProxyType({"task_list": ({"task": "null", "duration": 0.1},), "working_directory": Path("a/b")})
    assert json.loads(await read_document(document)) == {
        "task_list": [{"task": "null", "duration": 0.1}],
        "working_directory": "a/b",
    }


async def test_arrays_and_their_numbers_are_taken() -> None:
    document = {"values": np.linspace(0, 1, 3), "n": np.int64(3), "x": np.float64(0.5), "yes": np.bool_(True)}
    assert json.loads(await read_document(document)) == {"values": [0.0, 0.5, 1.0], "n": 3, "x": 0.5, "yes": True}


async def test_texts_and_files_are_sent_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"broken": ')
    assert await read_document(' {"broken": ') == b' {"broken": '
    assert await read_document(b"anything") == b"anything"
    assert await read_document(tmp_path / "job.json") == b'{"broken": '
    assert await read_document(str(tmp_path / "job.json")) == b'{"broken": '


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nowhere\.json: No such file"):
        await read_document(str(tmp_path / "nowhere.json"))


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"task_list": [{"duration": float("nan")}]}, "$.task_list[0].duration"),
        ({"task_list": [{"duration": np.array([1.0, np.inf])}]}, "$.task_list[0].duration[1]"),
        ({"task_list": [{1: 2}]}, "$.task_list[0]"),
        ({"seed": Decimal(1)}, "$.seed"),
        ({"seed": 2**70}, None),
        (7, None),
    ],
)
async def test_what_json_does_not_have_is_refused_with_its_place(document: Any, where: str | None) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await read_document(document)
    assert refused.value.where == where


async def test_a_document_within_itself_is_refused() -> None:
    document: dict[str, Any] = {}
    document["task_list"] = [document]
    with pytest.raises(InvalidInputError, match="cannot be written as JSON"):
        await read_document(document)

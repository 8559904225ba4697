"""The file of a dump: gzipped lines of JSON that say the same of every engine.

::

    {"eas_dump": 1, "eas": "0.1.0", "service": "scheduler", "revision": "0012", "made_at": "…", "engine": "sqlite"}
    {"table": "job", "columns": [["id", "integer"], …], "key": ["id"], "next_key": 8}
    [1, …]                                       a row: null, true, false, whole numbers, floats, texts
    …
    {"rows": {"job": 7, …}, "sha256": "…"}       of all lines before

A float that JSON does not have is written as ``{"float": "inf"}``.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson
from pydantic import BaseModel, Field, ValidationError

from eas.database.contents import ColumnKind, NeutralTable
from eas.database.errors import DumpError

FORMAT = 1
_LEVEL = 4
#: The longest header that is looked at [bytes].
_MOST_HEADER = 65_536


class DumpHeader(BaseModel):
    """The first line."""

    eas_dump: int = FORMAT
    eas: str
    service: str
    revision: str
    made_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    engine: str


class _TableLine(BaseModel):
    table: str
    columns: list[tuple[str, ColumnKind]]
    key: list[str]
    next_key: int | None = None


class _Trailer(BaseModel):
    rows: dict[str, int]
    sha256: str


class DumpWriter:
    """Writes a dump.

    Parameters
    ----------
    file
        Gets the bytes.
    header
        The first line.
    """

    def __init__(self, file: IO[bytes], header: DumpHeader) -> None:
        self._gzip = gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=_LEVEL, mtime=0)
        self._digest = hashlib.sha256()
        self._floats: list[int] = []
        self._table = ""
        self.rows: dict[str, int] = {}
        self._write(orjson.dumps(header.model_dump(mode="json")) + b"\n")

    def begin_table(self, found: NeutralTable, next_key: int | None) -> None:
        """Begin with the rows of a table."""
        self._floats = [index for index, (_, kind) in enumerate(found.columns) if kind is ColumnKind.FLOAT]
        line = _TableLine(table=found.name, columns=list(found.columns), key=list(found.key), next_key=next_key)
        self._write(orjson.dumps(line.model_dump(mode="json")) + b"\n")
        self._table = found.name
        self.rows[found.name] = 0

    def write_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows of the table that was begun with."""
        self._write(b"".join(orjson.dumps(self._encode(row)) + b"\n" for row in rows))
        self.rows[self._table] += len(rows)

    def finish(self) -> None:
        """Write the last line."""
        trailer = _Trailer(rows=self.rows, sha256=self._digest.hexdigest())
        self._gzip.write(orjson.dumps(trailer.model_dump(mode="json")) + b"\n")
        self._gzip.close()

    def _encode(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for index in self._floats:
            value = values[index]
            if value is not None and not math.isfinite(value):
                values[index] = {"float": repr(value)}
        return values

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._gzip.write(data)


@dataclass(frozen=True)
class DumpedTable:
    """What a dump says of a table before its rows."""

    table: NeutralTable
    next_key: int | None


@dataclass(frozen=True)
class DumpedRow:
    """A row, and how long its line is [bytes]."""

    values: list[Any]
    size: int


class DumpReader:
    """Reads a dump from its beginning to its end.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DumpError
        It is no dump, or one that this EAS cannot read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self.rows: dict[str, int] = {}
        try:
            self._gzip = gzip.open(path, "rb")  # noqa: SIM115 - `close`
        except OSError as error:
            raise DumpError(f"{path}: {error.strerror}") from error
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._gzip.close()

    def read(self) -> Iterator[DumpedTable | DumpedRow]:
        """Read tables, each followed by its rows.

        Raises
        ------
        DumpError
            The file is damaged or ends too early. It may have been read for long before that shows.
        """
        name, columns, floats = "", 0, list[int]()
        while line := self._read_line():
            try:
                found = orjson.loads(line)
                if isinstance(found, list):
                    if not name or len(found) != columns:
                        raise self._damaged(f"a row of table {name!r} has {len(found)} values, expected {columns}")
                    self._digest.update(line)
                    self.rows[name] += 1
                    yield DumpedRow(_decode(found, floats), len(line))
                elif "sha256" in found:
                    self._check_end(_Trailer.model_validate(found))
                    return
                else:
                    self._digest.update(line)
                    described = _TableLine.model_validate(found)
                    name, columns = described.table, len(described.columns)
                    floats = [place for place, (_, kind) in enumerate(described.columns) if kind is ColumnKind.FLOAT]
                    self.rows[name] = 0
                    table = NeutralTable(name, tuple(described.columns), tuple(described.key))
                    yield DumpedTable(table, described.next_key)
            except (orjson.JSONDecodeError, ValidationError, TypeError, ValueError, KeyError) as error:
                raise self._damaged(f"a line is not what it should be ({type(error).__name__})") from error
        raise self._damaged("it ends before its last line")

    def _read_header(self) -> DumpHeader:
        line = self._read_line(_MOST_HEADER)
        try:
            found = orjson.loads(line)
            version = found["eas_dump"]
        except (orjson.JSONDecodeError, TypeError, KeyError) as error:
            raise DumpError(f"{self.path} is no dump that `eas db dump` has made") from error
        if version != FORMAT:
            raise DumpError(f"{self.path} is a dump of format {version}; this EAS reads format {FORMAT}")
        self._digest.update(line)
        try:
            return DumpHeader.model_validate(found)
        except ValidationError as error:
            raise self._damaged("its first line is not what it should be") from error

    def _read_line(self, most: int = -1) -> bytes:
        try:
            return self._gzip.readline(most)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            if not self._gzip.tell():
                raise DumpError(f"{self.path} is no dump that `eas db dump` has made: {error}") from error
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise DumpError(f"{self.path}: {error.strerror or error}") from error

    def _check_end(self, trailer: _Trailer) -> None:
        if trailer.sha256 != self._digest.hexdigest():
            raise self._damaged("its digest does not match")
        if trailer.rows != self.rows:
            raise self._damaged(f"it has {self.rows} rows, expected {trailer.rows}")
        if self._read_line():
            raise self._damaged("something follows its last line")

    def _damaged(self, why: str) -> DumpError:
        return DumpError(f"{self.path} is damaged or incomplete: {why}")


def _decode(values: list[Any], floats: list[int]) -> list[Any]:
    for index in floats:
        value = values[index]
        if isinstance(value, dict):
            values[index] = float(value["float"])
        elif value is not None:
            values[index] = float(value)
    return values


@dataclass(frozen=True)
class VerifiedDump:
    """What a whole dump has: its header, how many rows each table has, and the length of the longest line [bytes]."""

    header: DumpHeader
    rows: dict[str, int]
    largest_row: int


def verify_dump(path: Path) -> VerifiedDump:
    """Read a dump to its end.

    Raises
    ------
    DumpError
        It is no dump, damaged, or not complete.
    """
    reader = DumpReader(path)
    largest = 0
    try:
        for item in reader.read():
            if isinstance(item, DumpedRow):
                largest = max(largest, item.size)
        return VerifiedDump(reader.header, reader.rows, largest)
    finally:
        reader.close()

"""Statements of hot paths: compiled once for each kind of engine, and run without SQLAlchemy's handling of parameters.

That handling takes several times longer than SQLite takes to run a small statement. What is written down is still
SQLAlchemy's: the same tables, types and operators, on every engine.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Table,
    bindparam,
    insert,
)

from shared.database.engines import translate

#: How many keys one statement names at most. Below every engine's limit of bound values.
MOST_KEYS = 1024

#: How many rows go to the driver at once: enough to be quick, few enough that a long list is never held twice.
MOST_ROWS = 1000

#: How many rows one statement of PostgreSQL inserts at most: its driver would send a statement for each. A power of
#: two, so that few statements are prepared.
_ROWS_TOGETHER = 64

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_ABSENT: Any = object()
_Processor = Callable[[Any], Any] | None


class _Compiled:
    """One statement for one kind of engine."""

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        names = getattr(compiled, "positiontup", None)
        self._is_positional = names is not None
        self._binds: list[tuple[str, _Processor, Any]] = []
        for name in names if names is not None else compiled.params:
            processor = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)  # type: ignore[attr-defined]
            fixed = compiled.params[name]
            self._binds.append((name, processor, processor(fixed) if processor and fixed is not None else fixed))
        is_insertion = isinstance(statement, Insert) and self.text.endswith(")")
        self._grows = is_insertion and dialect.name == "postgresql"
        self._texts: dict[int, str] = {}
        self._types = [column.type.dialect_impl(dialect) for column in getattr(statement, "selected_columns", ())]
        self._dialect = dialect
        self._results: list[tuple[int, Callable[[Any], Any]]] | None = None

    def bind(self, values: Mapping[str, Any]) -> Any:
        """Make one set of parameters. What `values` leaves out has the value that the statement gives it."""
        row = [
            fixed
            if (value := values.get(name, _ABSENT)) is _ABSENT
            else value
            if processor is None or value is None
            else processor(value)
            for name, processor, fixed in self._binds
        ]
        if self._is_positional:
            return tuple(row)
        return {name: value for (name, _, _), value in zip(self._binds, row, strict=True)}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run it once. Returns how many rows it changed."""
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self.text, self.bind(values))
            return int(cursor.rowcount)
        except Exception as error:
            raise translate(connection, self.text, error) from error
        finally:
            cursor.close()

    def insert(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run it once. Returns the key that the database made."""
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self.text, self.bind(values))
            return int(cursor.lastrowid)
        except Exception as error:
            raise translate(connection, self.text, error) from error
        finally:
            cursor.close()

    def run_many(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run it for each set of values. Returns how many rows all of them changed."""
        rest = iter(rows)
        changed = 0
        cursor = connection.connection.cursor()
        try:
            while bound := [self.bind(values) for values in islice(rest, MOST_ROWS)]:
                changed += self._insert_together(cursor, bound) if self._grows else self._run_each(cursor, bound)
            return changed
        except Exception as error:
            raise translate(connection, self.text, error) from error
        finally:
            cursor.close()

    def _run_each(self, cursor: Any, bound: list[Any]) -> int:
        cursor.executemany(self.text, bound)
        return int(cursor.rowcount)

    def _insert_together(self, cursor: Any, bound: list[Any]) -> int:
        """Insert many rows with a statement, in parts of 64, 32, … rows."""
        start, changed = 0, 0
        while left := len(bound) - start:
            size = min(_ROWS_TOGETHER, 1 << (left.bit_length() - 1))
            cursor.execute(self._repeat_values(size), tuple(chain.from_iterable(bound[start : start + size])))
            changed += int(cursor.rowcount)
            start += size
        return changed

    def _repeat_values(self, rows: int) -> str:
        text = self._texts.get(rows)
        if text is None:
            start, _, values = self.text.partition(" VALUES ")
            text = self._texts[rows] = f"{start} VALUES {', '.join([values] * rows)}"
        return text

    def fetch(self, connection: Connection, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """Fetch all rows, with values as Python has them."""
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self.text, self.bind(values))
            rows: list[Sequence[Any]] = list(cursor.fetchall())
            if self._results is None:
                self._results = self._find_processors(cursor.description)
        except Exception as error:
            raise translate(connection, self.text, error) from error
        finally:
            cursor.close()
        results = self._results
        return [_read(row, results) for row in rows] if results else rows

    def _find_processors(self, description: Sequence[Any]) -> list[tuple[int, Callable[[Any], Any]]]:
        """Find what turns the driver's values into Python's; some drivers have to say first what they return."""
        found = []
        for index, (kind, column) in enumerate(zip(self._types, description, strict=False)):
            processor = kind.result_processor(self._dialect, column[1])
            if processor is not None:
                found.append((index, processor))
        return found


def _read(row: Sequence[Any], results: Sequence[tuple[int, Callable[[Any], Any]]]) -> Sequence[Any]:
    values = list(row)
    for index, processor in results:
        values[index] = processor(values[index])
    return values


class Prepared:
    """A statement with named parameters.

    Parameters
    ----------
    statement
        Every value that changes is a `bindparam`; an insertion names its columns with ``values``.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[type[Dialect], _Compiled] = {}
        self._names = [str(column.key) for column in getattr(statement, "selected_columns", ())]
        self._make_row: Callable[[Iterable[Any]], Any] | None = None

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run it once. Returns how many rows it changed."""
        return self._for(connection).run(connection, values)

    def execute_many(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run it for each set of values. Returns how many rows all of them changed."""
        return self._for(connection).run_many(connection, rows)

    def insert(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run an insertion once. Returns the key that the database made."""
        return self._for(connection).insert(connection, values)

    def fetch(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Sequence[Any]]:
        """Run it once and fetch its rows, with values in the order of the selected columns."""
        return self._for(connection).fetch(connection, values)

    def fetch_named(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """Run it once and fetch its rows, whose values have the names of the selected columns."""
        if self._make_row is None:
            make_kind: Any = namedtuple
            self._make_row = make_kind("NamedRow", self._names)._make
        return [self._make_row(row) for row in self.fetch(connection, values)]

    def _for(self, connection: Connection) -> _Compiled:
        kind = type(connection.dialect)
        compiled = self._compiled.get(kind)
        if compiled is None:
            compiled = self._compiled[kind] = _Compiled(self._statement, connection.dialect)
        return compiled


def prepare_insert(table: Table, *names: str) -> Prepared:
    """Prepare the insertion of rows of which these columns are given."""
    return Prepared(insert(table).values({name: bindparam(name) for name in names}).inline())


class PreparedInsertion:
    """The insertion of a row of which these columns are given, and whose key the database makes.

    Parameters
    ----------
    key
        The table's key.
    """

    def __init__(self, table: Table, key: ColumnElement[int], *names: str) -> None:
        insertion = insert(table).values({name: bindparam(name) for name in names})
        self._returning = Prepared(insertion.returning(key))
        self._plain = Prepared(insertion.inline())

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Insert a row. Returns its key."""
        if connection.dialect.insert_returning:
            return int(self._returning.fetch(connection, values)[0][0])
        return self._plain.insert(connection, values)


class PreparedForKeys:
    """A statement about rows of some keys, prepared for 1, 2, 4, … of them.

    Parameters
    ----------
    build
        Makes the statement with these parameters for the keys.
    """

    def __init__(self, build: Callable[[Sequence[BindParameter[Any]]], ClauseElement]) -> None:
        self._build = build
        self._prepared: dict[int, tuple[Prepared, list[str]]] = {}

    def execute(self, connection: Connection, keys: Sequence[Any], values: Mapping[str, Any]) -> int:
        """Run it. Returns how many rows it changed."""
        changed = 0
        for prepared, bound in self._parts(keys, values):
            changed += prepared.execute(connection, bound)
        return changed

    def fetch(
        self, connection: Connection, keys: Sequence[Any], values: Mapping[str, Any] = _NOTHING
    ) -> list[Sequence[Any]]:
        """Run it and fetch its rows, with values in the order of the selected columns.

        An order that the statement asks for holds within `MOST_KEYS` keys.
        """
        rows: list[Sequence[Any]] = []
        for prepared, bound in self._parts(keys, values):
            rows += prepared.fetch(connection, bound)
        return rows

    def _parts(self, keys: Sequence[Any], values: Mapping[str, Any]) -> Iterable[tuple[Prepared, dict[str, Any]]]:
        for start in range(0, len(keys), MOST_KEYS):
            part = list(keys[start : start + MOST_KEYS])
            size = 1 << (len(part) - 1).bit_length()
            part += part[-1:] * (size - len(part))  # a key that is named twice means the same row
            prepared, names = self._prepare(size)
            yield prepared, {**values, **dict(zip(names, part, strict=True))}

    def _prepare(self, size: int) -> tuple[Prepared, list[str]]:
        found = self._prepared.get(size)
        if found is None:
            names = [f"key_{number}" for number in range(size)]
            found = self._prepared[size] = Prepared(self._build([bindparam(name) for name in names])), names
        return found

"""Statements of hot paths: compiled once for each kind of engine, and run without SQLAlchemy's handling of parameters.

That handling takes several times longer than SQLite takes to run a small statement. What is written down is still
SQLAlchemy's: the same tables, types and operators, on every engine.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

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

from eas.database.engines import find_pipeline, translate

if TYPE_CHECKING:  # its driver is there only where PostgreSQL is used
    from eas.database.pipeline import Pipeline

#: How many keys one statement names at most. Below every engine's limit of bound values.
MOST_KEYS = 1024

#: How many rows go to the driver at once: enough to be quick, few enough that a long list is never held twice.
MOST_ROWS = 1000

#: How many rows one statement of PostgreSQL inserts at most. A power of two, so that few statements are prepared.
_ROWS_TOGETHER = 64

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_ABSENT: Any = object()
_Processor = Callable[[Any], Any] | None
T = TypeVar("T")

#: Hears how many rows were changed; what it raises ends the transaction.
Check = Callable[[int], None]
#: Waits for the rows of a statement, and gives them, with values in the order of the selected columns.
Answer = Callable[[], list[Sequence[Any]]]


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
        self._is_insertion = isinstance(statement, Insert) and self.text.endswith(")")
        self._texts: dict[int, str] = {}
        self._types = [column.type.dialect_impl(dialect) for column in _columns_of(statement)]
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
        pipeline = find_pipeline(connection)
        if pipeline is not None:
            return pipeline.put(self.text, self.bind(values)).count_changed()

        def run(cursor: Any) -> int:
            cursor.execute(self.text, self.bind(values))
            return int(cursor.rowcount)

        return self._carry_out(connection, run)

    def insert(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run it once. Returns the key that the database made."""

        def run(cursor: Any) -> int:
            cursor.execute(self.text, self.bind(values))
            return int(cursor.lastrowid)

        return self._carry_out(connection, run)

    def send(self, connection: Connection, rows: Iterable[Mapping[str, Any]], check: Check | None) -> None:
        """Run it for each set of values."""
        pipeline = find_pipeline(connection)
        if pipeline is not None:
            self._put(pipeline, iter(rows), check)
            return

        def run(cursor: Any) -> int:
            rest, changed = iter(rows), 0
            while bound := [self.bind(values) for values in islice(rest, MOST_ROWS)]:
                cursor.executemany(self.text, bound)
                changed += int(cursor.rowcount)
            return changed

        changed = self._carry_out(connection, run)
        if check is not None:
            check(changed)

    def _put(self, pipeline: Pipeline, rows: Iterator[Mapping[str, Any]], check: Check | None) -> None:
        """Send an insertion of many rows as insertions of 64, 32, … rows; anything else row by row."""
        sent = []
        while bound := [self.bind(values) for values in islice(rows, _ROWS_TOGETHER if self._is_insertion else 1)]:
            while bound:
                size = 1 << (len(bound).bit_length() - 1)
                one = pipeline.put(self._repeat_values(size), tuple(chain.from_iterable(bound[:size])))
                del bound[:size]
                if check is not None:
                    sent.append(one)
        if check is not None:
            pipeline.when_answered(lambda: check(sum(one.count_changed() for one in sent)))

    def _repeat_values(self, rows: int) -> str:
        text = self.text if rows == 1 else self._texts.get(rows)
        if text is None:
            start, _, values = self.text.partition(" VALUES ")
            text = self._texts[rows] = f"{start} VALUES {', '.join([values] * rows)}"
        return text

    def ask(self, connection: Connection, values: Mapping[str, Any]) -> Answer:
        """Ask for all rows, with values as Python has them."""
        pipeline = find_pipeline(connection)
        if pipeline is not None:
            sent = pipeline.put(self.text, self.bind(values))
            return lambda: self._convert(*sent.fetch_rows())

        def run(cursor: Any) -> list[Sequence[Any]]:
            cursor.execute(self.text, self.bind(values))
            return self._convert(list(cursor.fetchall()), [column[1] for column in cursor.description])

        found = self._carry_out(connection, run)
        return lambda: found

    def _carry_out(self, connection: Connection, use: Callable[[Any], T]) -> T:
        cursor = connection.connection.cursor()
        try:
            return use(cursor)
        except Exception as error:
            raise translate(connection, self.text, error) from error
        finally:
            cursor.close()

    def _convert(self, rows: list[Sequence[Any]], types: Sequence[Any]) -> list[Sequence[Any]]:
        """Make Python's values of the driver's; some drivers have to say first what they return."""
        if self._results is None:
            pairs = zip(self._types, types, strict=False)  # a statement in words names no types
            processors = [kind.result_processor(self._dialect, type_) for kind, type_ in pairs]
            self._results = [(index, found) for index, found in enumerate(processors) if found is not None]
        results = self._results
        return [_convert(row, results) for row in rows] if results else rows


def _columns_of(statement: ClauseElement) -> Iterable[ColumnElement[Any]]:
    """List what a statement selects or returns. Not before it is used: what is built upon it would inherit the list."""
    return getattr(statement, "exported_columns", ())


def _convert(row: Sequence[Any], results: Sequence[tuple[int, Callable[[Any], Any]]]) -> Sequence[Any]:
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
        self._make_row: Callable[[Iterable[Any]], Any] | None = None

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run it once. Returns how many rows it changed."""
        return self._for(connection).run(connection, values)

    def send(self, connection: Connection, rows: Iterable[Mapping[str, Any]], check: Check | None = None) -> None:
        """Run it for each set of values, without waiting for it where the engine lets us.

        It is carried out before anything that the connection is asked later, and its errors are raised there or by the
        commit. So is what `check` says to the number of rows that all of them changed.
        """
        self._for(connection).send(connection, rows, check)

    def insert(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run an insertion once. Returns the key that the database made."""
        return self._for(connection).insert(connection, values)

    def ask(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> Answer:
        """Run it once. Several that are asked before the first answer is waited for need no longer than one."""
        return self._for(connection).ask(connection, values)

    def foresee(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> Answer:
        """Ask for what may turn out not to be needed: where asking means waiting, only once the answer is wanted."""
        if find_pipeline(connection) is not None:
            return self.ask(connection, values)
        return lambda: self.fetch(connection, values)

    def fetch(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Sequence[Any]]:
        """Run it once and fetch its rows, with values in the order of the selected columns."""
        return self.ask(connection, values)()

    def fetch_named(self, connection: Connection, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """Run it once and fetch its rows, whose values have the names of the selected columns."""
        if self._make_row is None:
            make_kind: Any = namedtuple
            self._make_row = make_kind("NamedRow", [str(column.key) for column in _columns_of(self._statement)])._make
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
        return sum(prepared.execute(connection, bound) for prepared, bound in self._parts(keys, values))

    def send(
        self,
        connection: Connection,
        keys: Sequence[Any],
        values: Mapping[str, Any] = _NOTHING,
        check: Check | None = None,
    ) -> None:
        """Run it without waiting for it where the engine lets us, as `Prepared.send` does."""
        parts = list(self._parts(keys, values))
        changes: list[int] = []

        def add(changed: int) -> None:
            changes.append(changed)
            if check is not None and len(changes) == len(parts):
                check(sum(changes))

        for prepared, bound in parts:
            prepared.send(connection, [bound], add if check is not None else None)

    def ask(self, connection: Connection, keys: Sequence[Any], values: Mapping[str, Any] = _NOTHING) -> Answer:
        """Run it. Several that are asked before the first answer is waited for need no longer than one.

        An order that the statement asks for holds within `MOST_KEYS` keys.
        """
        answers = [prepared.ask(connection, bound) for prepared, bound in self._parts(keys, values)]
        return lambda: [row for answer in answers for row in answer()]

    def fetch(
        self, connection: Connection, keys: Sequence[Any], values: Mapping[str, Any] = _NOTHING
    ) -> list[Sequence[Any]]:
        """Run it and fetch its rows, with values in the order of the selected columns, as `ask` does."""
        return self.ask(connection, keys, values)()

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

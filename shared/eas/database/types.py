"""Column types that mean the same on every engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, Integer, String, Text, TypeDecorator
from sqlalchemy.engine import Dialect

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Integer keys: 64 bits everywhere, and SQLite's row id there.
Key = BigInteger().with_variant(Integer, "sqlite")


def ordered_text(length: int) -> String:
    """Make the type of a text that is listed in its order: that of code points, whatever language a server speaks."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def count_microseconds(time: datetime) -> int:
    """Count the microseconds from 1970 to an aware time; it is the way that is quickest by far."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, stored as whole microseconds since 1970 so that it sorts and compares exactly."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turn a datetime into microseconds; a naive one is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}; times carry a time zone here")
        return count_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Turn microseconds into an aware datetime."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Json(TypeDecorator[Any]):
    """Any JSON value, stored as text. The Python value None is SQL NULL."""

    impl = Text(length=2**31 - 1)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write JSON."""
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read JSON."""
        return None if value is None else orjson.loads(value)

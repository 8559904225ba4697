"""Things that cannot be handled: a transactor whose stores raise when a verb is called with a poisoned thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from eas_scheduler.logic.ports import Transactor

PLAIN = (str, bytes, float, bool, type(None))


class PoisonError(TypeError):
    """What a defect of the scheduler would raise in the middle of something."""


def mentions(value: object, field: str, keys: set[int]) -> bool:
    """Tell whether one of some ids is among the arguments of a call: by itself, or as this field of an object."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value in keys
    if isinstance(value, PLAIN):
        return False
    if isinstance(value, Mapping):
        return any(mentions(key, field, keys) or _has(value[key], field, keys) for key in value)
    if isinstance(value, BaseModel):
        parts = {name: getattr(value, name) for name in type(value).model_fields}
    elif is_dataclass(value):
        parts = {one.name: getattr(value, one.name) for one in fields(value)}
    elif isinstance(value, Sequence | Set):
        return any(mentions(part, field, keys) for part in value)
    else:
        return False
    return any(part in keys if name == field else _has(part, field, keys) for name, part in parts.items())


def _has(part: object, field: str, keys: set[int]) -> bool:
    """Tell the same of a part of an object, where a bare number is something else than an id."""
    if isinstance(part, Sequence | Set) and not isinstance(part, str | bytes):
        return any(_has(one, field, keys) for one in part)
    return not isinstance(part, int) and mentions(part, field, keys)


class Poison:
    """Which verb of which store raises, and for what.

    Parameters
    ----------
    verb
        As in ``attempts.mark_ended``.
    """

    def __init__(self, verb: str, *keys: int) -> None:
        self.store, self.verb = verb.split(".")
        self.keys = set(keys)
        self.strikes = 0
        self.error: Exception = PoisonError(f"{verb} does not take one of {sorted(self.keys)}")

    def wrap(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            if mentions([*values, *named.values()], f"{self.store.removesuffix('s')}_id", self.keys):
                self.strikes += 1
                raise self.error
            return verb(*values, **named)

        return call


class _Store:
    def __init__(self, store: Any, poisons: list[Poison]) -> None:
        self._store = store
        self._poisons = poisons

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        for poison in self._poisons:
            if poison.verb == name:
                found = poison.wrap(found)
        return found


class _Unit:
    def __init__(self, unit: Any, poisons: list[Poison]) -> None:
        self._unit = unit
        self._poisons = poisons

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._unit, name)
        poisons = [poison for poison in self._poisons if poison.store == name]
        return _Store(found, poisons) if poisons else found


class PoisonedTransactor:
    """Runs commands as the real one does, and raises in the middle of those that touch something poisoned."""

    def __init__(self, inner: Transactor) -> None:
        self._inner = inner
        self.poisons: list[Poison] = []

    async def run(self, command: Callable[[Any], Any]) -> Any:
        return await self._inner.run(lambda unit: command(_Unit(unit, self.poisons)))

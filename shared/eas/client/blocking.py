"""Blocking faces of asynchronous classes: each method is named once, and keeps its parameters, result and words.

For editors: `blocking` and its kin are typed such that type checkers see ordinary methods, and carry over what
``help()`` shows. A class that uses them lists what it offers, one line a method.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from eas.client.loop_thread import LoopThread

Inner = TypeVar("Inner")
Outer = TypeVar("Outer")
Own = TypeVar("Own", bound="Face[Any]")
P = ParamSpec("P")


class Face(Generic[Inner]):
    """Something asynchronous, seen from outside its loop.

    Parameters
    ----------
    inner
        The asynchronous object.
    loop
        The loop that it lives on.
    """

    def __init__(self, inner: Inner, loop: LoopThread) -> None:
        self._inner = inner
        self._loop = loop


def blocking(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, Outer]]) -> Callable[Concatenate[Any, P], Outer]:
    """Make a method that waits for the result of an asynchronous one."""

    @functools.wraps(method)
    def call(self: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> Outer:
        return self._loop.run(method(self._inner, *args, **kwargs))

    return call


def blocking_own(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, object]],
) -> Callable[Concatenate[Own, P], Own]:
    """Make a method that waits for an asynchronous one that changes its object, and returns the object."""

    @functools.wraps(method)
    def call(self: Own, /, *args: P.args, **kwargs: P.kwargs) -> Own:
        self._loop.run(method(self._inner, *args, **kwargs))
        return self

    return call


def blocking_one(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, Inner]], face: Callable[[Inner, LoopThread], Outer]
) -> Callable[Concatenate[Any, P], Outer]:
    """Make a method that waits for an asynchronous object and puts a face on it."""

    @functools.wraps(method)
    def call(self: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> Outer:
        return face(self._loop.run(method(self._inner, *args, **kwargs)), self._loop)

    return call


def blocking_list(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, list[Inner]]], face: Callable[[Inner, LoopThread], Outer]
) -> Callable[Concatenate[Any, P], list[Outer]]:
    """Make a method that waits for asynchronous objects and puts a face on each."""

    @functools.wraps(method)
    def call(self: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> list[Outer]:
        return [face(found, self._loop) for found in self._loop.run(method(self._inner, *args, **kwargs))]

    return call


def iterating(
    method: Callable[Concatenate[Any, P], AsyncGenerator[Outer, None]],
) -> Callable[Concatenate[Any, P], Generator[Outer, None, None]]:
    """Make a method that goes through what an asynchronous generator gives."""

    @functools.wraps(method)
    def call(self: Face[Any], /, *args: P.args, **kwargs: P.kwargs) -> Generator[Outer, None, None]:
        return self._loop.iterate(method(self._inner, *args, **kwargs))

    return call

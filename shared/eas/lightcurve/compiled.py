"""Compiling numerical kernels by numba, with and without a place to keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(kernel: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of arrays and numbers when it is first called; it runs without the interpreter lock.

    Threads that call it run side by side, so kernels need none of numba's own thread pools, which do not survive a
    fork. The machine code is kept beside the module, or in ``NUMBA_CACHE_DIR``, or in the user's cache folder; where
    none of them can be written (a read-only image without a home), each process compiles for itself. Kernels that call
    each other belong into one module: what is kept is renewed when its own module changes, and not when another does.
    """
    try:
        return cast("Callable[P, R]", numba.njit(nogil=True, cache=True)(kernel))
    except RuntimeError:  # "no locator available": there is no place for the cache
        return cast("Callable[P, R]", numba.njit(nogil=True)(kernel))

"""A plugin of pytest that shifts the clock, for collecting tests as if on another day."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

#: 400 days, 3 hours and 17 seconds [s].
SHIFT = 400 * 86400 + 3 * 3600 + 17

_now, _now_ns = time.time, time.time_ns
_gmtime, _localtime, _strftime, _ctime = time.gmtime, time.localtime, time.strftime, time.ctime


def _at(function: Callable[[float], Any]) -> Callable[..., Any]:
    return lambda seconds=None: function(time.time() if seconds is None else seconds)


def _strftime_then(form: str, *moment: Any) -> str:
    return _strftime(form, *(moment or (time.localtime(),)))


def pytest_configure() -> None:
    time.time = lambda: _now() + SHIFT
    time.time_ns = lambda: _now_ns() + SHIFT * 10**9
    time.gmtime, time.localtime, time.ctime = _at(_gmtime), _at(_localtime), _at(_ctime)
    time.strftime = _strftime_then

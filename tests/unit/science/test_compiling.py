"""Kernels are compiled by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from eas_worker.science.compiling import compiling


def is_locked(lock: Path) -> bool:
    """Tell whether another opening of the lock file would wait."""
    other = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(other)
    return False


def test_whoever_compiles_keeps_the_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))

    with compiling():
        (lock,) = (tmp_path / "cache").iterdir()
        assert is_locked(lock)

    assert not is_locked(lock)


def test_without_a_place_for_the_lock_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))

    with compiling():
        assert (tmp_path / "file").read_bytes() == b""

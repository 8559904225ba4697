"""The preview process: reads files that nobody trusts, with little memory and time, and no secrets.

``python -m eas_product_store.previews.child FOLDER MEMORY SECONDS``: an empty folder for its files, which it removes in
the end; most memory [MB]; and time for one preview [s].
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import sys
import warnings
from io import RawIOBase
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

from eas_product_store.previews.errors import NoFormError, UnreadableError
from eas_product_store.previews.protocol import READY, Answer, Fault, Order
from eas_product_store.previews.rendering import render
from eas_product_store.previews.source import Source

_BLOCK = 1 << 20
#: How much longer than its time a preview may take before the process ends itself, its parent being gone [s].
_GRACE = 5.0


_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ParentGoneError(Exception):
    """Nobody is there to make previews for."""


def main() -> None:
    """Make previews until standard input ends."""
    folder, memory, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory << 20, memory << 20))
    # What readers find odd about files is no news for the service's log.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    sys.setrecursionlimit(500)
    # Whatever a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        answers.write(READY)
        answers.flush()
        while line := sys.stdin.buffer.readline():
            answer, content = _serve(Order.model_validate_json(line), sys.stdin.buffer, folder, seconds)
            answers.write(answer.model_dump_json().encode() + b"\n" + content)
            answers.flush()
            if answer.fault is Fault.EXHAUSTED:
                break
    except (ParentGoneError, BrokenPipeError):
        pass
    finally:
        rmtree(folder, ignore_errors=True)


def _serve(order: Order, incoming: BinaryIO, folder: Path, seconds: float) -> tuple[Answer, bytes]:
    path = folder / "file"
    try:
        _take(order.size, incoming, path)
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)
        source = Source(path, order.mime_type, complete=order.complete)
        made = render(source, order.parameters, prefers_picture=order.prefers_picture)
    except ParentGoneError:
        raise
    except NoFormError as error:
        return Answer(fault=Fault.NO_FORM, message=str(error)), b""
    except UnreadableError as error:
        return Answer(fault=Fault.UNREADABLE, message=str(error)), b""
    except MemoryError:
        return Answer(fault=Fault.EXHAUSTED, message="it needs more memory than a preview may take"), b""
    except Exception as error:  # readers raise anything for files that were made to break them
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            return Answer(fault=Fault.NO_ROOM, message="there is no room for temporary files"), b""
        return Answer(fault=Fault.UNREADABLE, message=f"it cannot be read: {type(error).__name__}: {error}"[:500]), b""
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for left in folder.iterdir():
            left.unlink()
    return Answer(form=made.form, forms=made.forms, size=len(made.content)), made.content


def _take(size: int, incoming: BinaryIO, path: Path) -> None:
    """Write what comes to a file; all of it is read, even where there is no room for it."""
    fault: OSError | None = None
    with path.open("wb", buffering=0) as file:
        while size:
            block = incoming.read(min(_BLOCK, size))
            if not block:
                raise ParentGoneError
            size -= len(block)
            try:
                if fault is None:
                    _write_all(file, block)
            except OSError as error:
                fault = error
    if fault is not None:
        raise fault


def _write_all(file: RawIOBase, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) or 0 :]


if __name__ == "__main__":
    main()

"""The fork server: imports the science once, then forks a warm child whenever the supervisor asks for one.

Not `multiprocessing`'s: that one lives on as long as any child does, so nobody would notice a dead supervisor while a
child computes, and it imports the caller's main module again in every child.

It dies with its supervisor (its control socket ends) and its children die with it, also if it is killed itself. It is
the children's parent, so it alone can kill a process group without hitting a stranger that got the same number.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from pathlib import Path

import orjson

from services.worker.child import run_child
from services.worker.storage.child_process import kill_group
from services.worker.storage.nursery_options import NurseryOptions
from services.worker.storage.task_types import InstalledTaskTypes, describe_task_type, preload


class Nursery:
    """Forks, kills and reaps children.

    Parameters
    ----------
    options
        From the supervisor.
    catalog
        The children's task types.
    """

    def __init__(self, options: NurseryOptions, catalog: InstalledTaskTypes) -> None:
        self._options = options
        self._catalog = catalog
        self._control = socket.socket(fileno=options.control)
        self._children: set[int] = set()
        self._wakeup, self._alarm = socket.socketpair()
        self._wakeup.setblocking(False)
        self._alarm.setblocking(False)

    def serve(self) -> None:
        """Do as the supervisor says until it is gone; then end all children."""
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._wakeup, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._wakeup in ready:
                    with contextlib.suppress(BlockingIOError):
                        self._wakeup.recv(4096)
                    self._reap()
                if self._control in ready and not self._obey():
                    break
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        for pid in self._children:
            self._kill(pid)

    def _obey(self) -> bool:
        message, descriptors, _flags, _address = socket.recv_fds(self._control, 256, 1)
        word, _, number = message.partition(b" ")
        match word:
            case b"fork":
                self._fork(int(number), socket.socket(fileno=descriptors[0]))
            case b"kill":
                if int(number) in self._children:
                    self._kill(int(number))
        return bool(message)

    def _fork(self, serial: int, channel: socket.socket) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                self._let_go()
                run_child(channel, self._catalog, self._options, parent)
                status = 0
            except ConnectionError:
                pass  # the supervisor is gone
            except BaseException:
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
            finally:
                os._exit(status)
        channel.close()
        self._children.add(pid)
        self._tell({"born": serial, "pid": pid})

    def _let_go(self) -> None:
        """Close, in the child, what belongs to the fork server."""
        signal.set_wakeup_fd(-1)
        self._control.close()
        self._wakeup.close()
        self._alarm.close()
        os.close(self._options.events)

    def _reap(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            kill_group(found.si_pid)  # descendants, while the dead child still holds its number
            _, status, usage = os.wait4(found.si_pid, 0)
            if found.si_pid in self._children:
                self._children.discard(found.si_pid)
                code = os.waitstatus_to_exitcode(status)
                self._tell({"dead": found.si_pid, "code": code, "peak_memory": usage.ru_maxrss * 1024})

    def _kill(self, pid: int) -> None:
        kill_group(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it may not have its own group yet

    def _tell(self, event: dict[str, object]) -> None:
        write_event(self._options.events, event)


def write_event(descriptor: int, event: dict[str, object]) -> None:
    """Write one line to the supervisor; all of it, however long."""
    data = orjson.dumps(event) + b"\n"
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BrokenPipeError:
            return  # the supervisor is gone; the control socket tells


def describe(catalog: InstalledTaskTypes) -> dict[str, object]:
    """Import all task types, and say what they are and what is wrong with them."""
    found, problems = catalog.load_all()
    return {
        "types": [describe_task_type(task_type).model_dump(mode="json") for task_type in found],
        "problems": problems,
    }


def describe_apart(catalog: InstalledTaskTypes) -> dict[str, object]:
    """Do the same in a process of its own, so that nothing stays imported here."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            write_event(writing, describe(catalog))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    if not text:
        return {"types": [], "problems": ["the process that imports the task types died"]}
    found: dict[str, object] = orjson.loads(text)
    return found


def main() -> None:
    """Run the fork server. Started by the supervisor only."""
    options = NurseryOptions.from_argument(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(options.task_type_folder) if options.task_type_folder else None
    catalog = InstalledTaskTypes.discover(options.task_types, options.only, folder)
    write_event(options.events, describe(catalog) if options.preload else describe_apart(catalog))
    if options.preload and (problems := preload(options.preload_modules)):
        write_event(options.events, {"problems": problems})
    gc.collect()
    gc.freeze()  # what is there by now is shared by all children; collecting it would copy its pages
    Nursery(options, catalog).serve()


if __name__ == "__main__":
    main()

"""The fork server: imports the science once, then forks a warm child whenever the supervisor asks for one.

Not `multiprocessing`'s: that one lives on as long as any child does, so nobody would notice a dead supervisor while a
child computes, and it imports the caller's main module again in every child.

It dies with its supervisor (its control socket ends) and its children die with it, also if it is killed itself. It is
the children's parent, so it alone can kill a process group without hitting a stranger that got the same number.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from eas.journal.handler import JournalHandler
from eas_worker.child import ChildSetup, run_child
from eas_worker.domain.assignment import WORKER_FAULT
from eas_worker.storage.attempt_page import AttemptPage
from eas_worker.storage.child_options import ChildOptions
from eas_worker.storage.child_process import kill_group
from eas_worker.storage.control_group import OomKills
from eas_worker.storage.process_bonds import adopt_orphans
from eas_worker.storage.process_tree import children_of, end_children, kill_tree
from eas_worker.storage.standard_streams import OutputReader, open_streams
from eas_worker.storage.task_types import InstalledTaskTypes, describe_task_types, preload
from eas_worker.storage.watch import INTERVAL, Watch, WatchedChild

#: How long the last processes may take to end when the supervisor is gone [s].
_LAST_SECONDS = 5.0


@dataclass(eq=False)
class SupervisedChild(WatchedChild):
    """A child with the readers of what it writes."""

    readers: list[OutputReader] = field(default_factory=list)


class ForkServerMain:
    """Forks, watches, kills and reaps children.

    Parameters
    ----------
    options
        From the supervisor.
    catalog
        The children's task types.
    """

    def __init__(self, options: ChildOptions, catalog: InstalledTaskTypes) -> None:
        self._options = options
        self._catalog = catalog
        self._control = socket.socket(fileno=options.control)
        self._children: dict[int, SupervisedChild] = {}
        self._watch = Watch(Path(options.message_folder))
        self._next_look = 0.0
        self._journal = JournalHandler(Path(options.journal_folder), options.worker_id, level=logging.INFO)
        self._oom_kills = OomKills()
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._alarm = socket.socketpair()
        self._wakeup.setblocking(False)
        self._alarm.setblocking(False)

    def serve(self) -> None:
        """Do as the supervisor says until it is gone; then end all children."""
        adopt_orphans()
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in self._selector.select(INTERVAL if self._children else None)}
            if self._wakeup in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wakeup.recv(4096)
                self._reap()
            for reader in ready:
                if isinstance(reader, OutputReader) and reader.fileno() >= 0:
                    reader.read()
            if self._control in ready and not self._obey():
                break
            self._look()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._end_all()

    def _look(self) -> None:
        """See that all keep within their limits, if it is time."""
        now = time.monotonic()
        if now < self._next_look:
            return
        for child in self._children.values():
            self._watch.look(child)
            for reader in child.readers:
                reader.finish_ended()
        self._next_look = time.monotonic() + INTERVAL

    def _obey(self) -> bool:
        message, descriptors, _flags, _address = socket.recv_fds(self._control, 256, 1)
        word, _, number = message.partition(b" ")
        match word:
            case b"fork":
                serial, slot = map(int, number.split())
                self._fork(serial, slot, socket.socket(fileno=descriptors[0]))
            case b"kill":
                if int(number) in self._children:
                    kill_tree(int(number))
        return bool(message)

    def _fork(self, serial: int, slot: int, channel: socket.socket) -> None:
        page = AttemptPage()
        readers, ends = open_streams(page, self._journal)
        given = ChildSetup(os.getpid(), slot, page, ends)
        pid = os.fork()
        if pid == 0:
            status = WORKER_FAULT
            try:
                self._let_go(readers)
                run_child(channel, self._catalog, self._options, given)
                status = 0
            except ConnectionError:
                pass  # the supervisor is gone
            except BaseException:
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
            finally:
                os._exit(status)
        channel.close()
        for end in ends:
            os.close(end)
        self._children[pid] = SupervisedChild(pid, page, readers=readers)
        for reader in readers:
            self._selector.register(reader, selectors.EVENT_READ)
        self._tell({"born": serial, "pid": pid})

    def _let_go(self, readers: list[OutputReader]) -> None:
        """Close, in the child, what belongs to the fork server and to the other children."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._control.close()
        self._wakeup.close()
        self._alarm.close()
        os.close(self._options.events)
        for reader in [*readers, *(reader for child in self._children.values() for reader in child.readers)]:
            os.close(reader.fileno())

    def _reap(self) -> None:
        """Bury the dead, and end what they have left behind: it has become this process's own."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                break
            kill_group(found.si_pid)  # descendants, while the dead child still holds its number
            _, status, _usage = os.wait4(found.si_pid, 0)
            child = self._children.pop(found.si_pid, None)
            self._end_strays()
            if child is not None:
                self._bury(child, os.waitstatus_to_exitcode(status))

    def _end_strays(self) -> None:
        for pid in children_of(os.getpid()):
            if pid not in self._children:
                kill_tree(pid)

    def _bury(self, child: SupervisedChild, code: int) -> None:
        for reader in child.readers:
            self._selector.unregister(reader)
            reader.close()
        running = child.page.read()
        killed = self._oom_kills.explain(code, running.attempt_id if running else None)
        cause = child.cause or killed
        event: dict[str, object] = {"dead": child.pid, "code": code, "peak_memory": child.page.peak or None}
        if cause is not None:
            event["cause"] = asdict(cause)
        child.page.close()
        self._tell(event)

    def _end_all(self) -> None:
        """End all children and whatever comes from them."""
        end_children(_LAST_SECONDS, self._children)
        for child in self._children.values():
            for reader in child.readers:
                reader.close()
        self._journal.close()

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
    described, undescribed = describe_task_types(found)
    return {
        "types": [description.model_dump(mode="json") for description in described],
        "problems": [*problems, *undescribed],
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
    options = ChildOptions.from_argument(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(options.task_type_folder) if options.task_type_folder else None
    catalog = InstalledTaskTypes.discover(options.task_types, options.only, folder)
    write_event(options.events, describe(catalog) if options.preload else describe_apart(catalog))
    if options.preload and (problems := preload(options.preload_modules)):
        write_event(options.events, {"problems": problems})
    gc.collect()
    gc.freeze()  # what is there by now is shared by all children; collecting it would copy its pages
    ForkServerMain(options, catalog).serve()


if __name__ == "__main__":
    main()

"""A server of the tests' own: on a free port of the loopback, with its data in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import pytest

USER = "eas"
PASSWORD = "secret"

#: A program with its arguments.
Command = list[str | Path]

_READY_SECONDS = 120.0
_STOP_SECONDS = 60.0

# The kernel kills a child that asks for it when the *thread* that started it ends. This one ends with the process.
_spawner = ThreadPoolExecutor(1, "servers")


class MissingServerError(Exception):
    """A server's programs are not installed here.

    Parameters
    ----------
    what
        What is missing.
    package
        Debian's package that has it.
    """

    def __init__(self, what: str, package: str) -> None:
        super().__init__(f"{what} is not there; on Debian: apt-get install {package} (as root, `make test` does)")


class PrivateServer:
    """A server that can be started, stopped, killed and started again at the same port with the same data.

    It starts when the block begins, or at ``start()``, and is gone with its data when the block ends, or at
    ``close()``. It ends with this process however that ends. Root runs it as the user that Debian has made for it.

    Raises
    ------
    MissingServerError
        If its programs are not installed.
    """

    PACKAGE: ClassVar[str]
    ACCOUNT: ClassVar[str]
    STOP: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self) -> None:
        self._find_program("setpriv", package="util-linux")
        self._account = self._find_account()
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"eas-{type(self).__name__.lower()}-"))
        self._own(self.folder)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._prepared = False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether it has been started, and neither been stopped nor ended by itself."""
        return bool(self._processes) and self._processes[-1].poll() is None

    def start(self) -> None:
        """Start it, and return when it answers."""
        assert not self.running, "it runs already"
        self.kill()  # what is left where it has ended by itself
        if not self._prepared:
            self._prepare()
            self._prepared = True
        self._launch()
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers():
            failure = "ended" if not self.running else "does not answer" if time.monotonic() > deadline else None
            if failure:
                self.kill()
                raise RuntimeError(f"{type(self).__name__} {failure}:\n{self.log()[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Let it end in its own time, with all data written. Nothing happens if it does not run."""
        self.resume()
        for process in reversed(self._processes):
            process.send_signal(self.STOP)
            process.wait(_STOP_SECONDS)
        self._processes.clear()

    def kill(self) -> None:
        """Kill all its processes at once, without a word of warning."""
        tree = self.suspend()
        for process_id in tree:
            _send(process_id, signal.SIGKILL)
        for process in self._processes:
            process.wait()
        deadline = time.monotonic() + _STOP_SECONDS
        while any(_alive(process_id) for process_id in tree):
            assert time.monotonic() < deadline, "its processes do not end"
            time.sleep(0.005)
        self._processes.clear()

    def suspend(self) -> list[int]:
        """Make all its processes stand still: connections stay open, and nobody answers. Returns their ids."""
        suspended: list[int] = []
        while found := [process_id for process_id in self.processes() if process_id not in suspended]:
            for process_id in found:
                _send(process_id, signal.SIGSTOP)
            suspended += found
        return suspended

    def resume(self) -> None:
        """Let suspended processes go on."""
        for process_id in self.processes():
            _send(process_id, signal.SIGCONT)

    def close(self) -> None:
        """End it, and remove its data."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self) -> list[int]:
        """Find the ids of its processes and of all that they have started, parents first."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (found := _state_and_parent(int(entry.name))):
                children.setdefault(found[1], []).append(int(entry.name))
        tree = [process.pid for process in self._processes if process.poll() is None]
        for process_id in tree:
            tree += children.get(process_id, [])
        return tree

    def log(self) -> str:
        """Read what it had to say."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _prepare(self) -> None:
        """Make its data, before it is started for the first time."""
        raise NotImplementedError

    def _launch(self) -> None:
        """Start its processes, the server itself last, with ``_spawn``."""
        raise NotImplementedError

    def _answers(self) -> bool:
        """Connect to it."""
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        """Nothing of the caller's environment comes through: it might name other servers."""
        folder = str(self.folder)  # TMPDIR, too: MariaDB takes temporary tables of its neighbours there for its own
        path = f"{os.environ['PATH']}:/usr/sbin:/usr/bin"
        return {"PATH": path, "HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8"}

    def _spawn(self, command: Command) -> None:
        bound = ["setpriv", "--pdeathsig", "KILL", *self._as_account, "--", *map(str, command)]
        with (self.folder / "server.log").open("ab") as log:

            def start() -> subprocess.Popen[bytes]:
                return subprocess.Popen(
                    bound,
                    cwd=self.folder,
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

            self._processes.append(_spawner.submit(start).result())

    def _run(self, command: Command, text: str = "") -> str:
        """Run a program to its end, as the server's account. Returns what it printed."""
        done = subprocess.run(
            ["setpriv", *self._as_account, "--", *map(str, command)],
            cwd=self.folder,
            env=self._environment(),
            input=text,
            capture_output=True,
            text=True,
            timeout=_READY_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def _write(self, name: str, content: str, *, secret: bool = False) -> Path:
        path = self.folder / name
        path.write_text(content)
        path.chmod(0o400 if secret else 0o644)
        self._own(path)
        return path

    @property
    def _as_account(self) -> list[str]:
        return [f"--reuid={self.ACCOUNT}", f"--regid={self.ACCOUNT}", "--clear-groups"] if self._account else []

    def _own(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _find_account(self) -> pwd.struct_passwd | None:
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam(self.ACCOUNT)
        except KeyError:
            raise MissingServerError(f"the user {self.ACCOUNT}", self.PACKAGE) from None

    def _find_program(self, name: str, *patterns: str, package: str | None = None) -> Path:
        """Look for a program in the folders of these patterns, then on the path."""
        for pattern in patterns:
            if found := sorted(Path("/").glob(f"{pattern.lstrip('/')}/{name}")):
                return found[-1]
        if on_path := shutil.which(name):
            return Path(on_path)
        raise MissingServerError(name, package or self.PACKAGE)


ServerType = TypeVar("ServerType", bound=PrivateServer)


@contextmanager
def open_server(make: Callable[[], ServerType]) -> Iterator[ServerType]:
    """Run a server until the block ends; without its programs, skip the test, or fail it in continuous integration."""
    try:
        server = make()
    except MissingServerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with server:
        yield server


def free_port() -> int:
    """Find a free port that no outgoing connection gets, so that it is still free when its server is started again."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(first_outgoing, 20_000))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _send(process_id: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, number)


def _alive(process_id: int) -> bool:
    found = _state_and_parent(process_id)
    return found is not None and found[0] != "Z"


def _state_and_parent(process_id: int) -> tuple[str, int] | None:
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None  # it has just ended
    return fields[0], int(fields[1])

"""A task type that does harm on request, within bounds that keep the machine of the tests safe."""

from __future__ import annotations

import ctypes
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.random

from eas.authoring.task_type import TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata
from eas_worker.storage.watch import INTERVAL

MOST_MEMORY = 2_000_000_000
MOST_FILES = 400_000_000
GENERATIONS = 7
#: Longer than tests wait for the end of a harmful task [s].
LONGEST = 200

DAEMON = """
import os, signal, sys, time
if os.fork(): os._exit(0)
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork(): os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(200)
"""


class HarmSettings(TaskSettings):
    harm: str
    note: str = ""


def allocate(_note: str) -> None:
    held = [bytearray(10_000_000) for _ in range(MOST_MEMORY // 10_000_000)]
    time.sleep(LONGEST + len(held))


def allocate_at_once(_note: str) -> None:
    np.ones(MOST_MEMORY // 8)


def hold(note: str) -> None:
    held = bytearray(int(float(note) * 1e9))
    time.sleep(20 * INTERVAL)  # long enough to be seen
    assert held


def allocate_in_a_child(note: str) -> None:
    code = f"import time; held = bytearray({MOST_MEMORY // 4}); time.sleep({LONGEST})"
    subprocess.run([sys.executable, "-S", "-c", code], start_new_session=True, check=False)


def fork_bomb(note: str) -> None:
    signal.alarm(LONGEST)
    for _ in range(GENERATIONS):
        if os.fork() == 0:
            signal.alarm(LONGEST)
        if note:
            with Path(note).open("a") as file:
                file.write(f"{os.getpid()}\n")
        time.sleep(0.02)
    time.sleep(LONGEST)


def burn(_note: str) -> None:
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        pass


def burn_in_a_child(_note: str) -> None:
    subprocess.run(["timeout", str(LONGEST), "sh", "-c", "while :; do :; done"], check=False)


def fill_disk(_note: str) -> None:
    for number in range(MOST_FILES // 4_000_000):
        Path(f"file{number}").write_bytes(bytes(4_000_000))
    time.sleep(LONGEST)


def write_one_large_file(_note: str) -> None:
    with Path("large").open("wb") as file:
        file.truncate(MOST_FILES)


def print_binary(_note: str) -> None:
    os.write(1, b"\x00\xff\xfe binary \x80 rubbish\n" + bytes(range(256)) * 2000 + b"\n")
    subprocess.run(["sh", "-c", "echo said by a program; echo and complained >&2"], check=True)
    os.write(2, b"no end of line")


def flood(_note: str) -> None:
    ctypes.PyDLL(None).printf.restype = ctypes.c_int
    printf = ctypes.PyDLL(None).printf  # holds the interpreter while it writes
    for _ in range(300_000):
        printf(b"a line of compiled code that fills the pipe\n")
    ctypes.PyDLL(None).fflush(None)


def close_streams(_note: str) -> None:
    sys.stderr.close()
    sys.stdout.close()
    sys.stderr = sys.stdout = None
    os.close(1)
    os.close(2)


def crash(_note: str) -> None:
    ctypes.string_at(0)


def leave(_note: str) -> None:
    os._exit(5)


def leave_a_daemon(note: str) -> None:
    subprocess.run([sys.executable, "-S", "-c", DAEMON, note], check=True)
    until = time.monotonic() + LONGEST
    while not Path(note).exists() and time.monotonic() < until:
        time.sleep(0.01)


def leave_a_daemon_and_die(note: str) -> None:
    leave_a_daemon(note)
    os.kill(os.getpid(), signal.SIGKILL)


def leave_a_daemon_and_stay(note: str) -> None:
    leave_a_daemon(note)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(LONGEST)


def strip(note: str) -> None:
    code = "import time; time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-S", "-c", code], env={}, start_new_session=True)
    Path(note).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(LONGEST)


def leave_threads(_note: str) -> None:
    for _ in range(3):
        threading.Thread(target=time.sleep, args=(LONGEST,)).start()


def remove_directory(_note: str) -> None:
    shutil.rmtree(Path.cwd())


def disturb(_note: str) -> None:
    os.chdir("/usr")
    os.umask(0o777)
    os.environ["LEFT_BEHIND"] = "1"
    os.environ.pop("PATH")
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 600)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    logging.getLogger().handlers.clear()
    logging.disable(logging.CRITICAL)
    sys.path.insert(0, "/left/behind")


def fill_descriptors(_note: str) -> None:
    opened: list[int] = []
    try:
        while len(opened) < 2_000_000:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass


def fork_and_return(_note: str) -> None:
    os.fork()


def do_nothing(_note: str) -> None:
    pass


HARMS: dict[str, Callable[[str], None]] = {
    found.__name__: found
    for found in (
        *(allocate, allocate_at_once, allocate_in_a_child, hold, fork_bomb, burn, burn_in_a_child, fill_disk),
        *(write_one_large_file, print_binary, flood, close_streams, crash, leave, leave_a_daemon),
        *(leave_a_daemon_and_die, leave_a_daemon_and_stay, strip, leave_threads, remove_directory, disturb),
        *(fill_descriptors, fork_and_return, do_nothing),
    )
}


def run_harm(context: TaskContext, settings: HarmSettings) -> Metadata:
    HARMS[settings.harm](settings.note)
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "pid": os.getpid(),
        "directory": str(Path.cwd()) if settings.harm != "remove_directory" else "",
        "umask": umask,
        "left": os.environ.get("LEFT_BEHIND", ""),
        "path": os.environ.get("PATH", ""),
        "alarm": signal.getsignal(signal.SIGALRM) is signal.SIG_DFL,
        "timer": signal.getitimer(signal.ITIMER_REAL)[0],
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "imports": sys.path[0],
        "random": random.random(),
        "numpy": float(np.random.random()),
    }


HARM = TaskType(name="harm", version="1", run=run_harm, settings=HarmSettings)

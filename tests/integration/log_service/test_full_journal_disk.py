"""Log records of the time in which the disk is full: kept in what was set aside, and counted where that is used up.

A process is started because a mount belongs to a process: it has a small file system of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]

WRITE = """
import json, logging, os, sys
from pathlib import Path
from eas.journal.handler import JournalHandler
from eas.journal.journal import list_segments
from eas.journal.positions import Positions
from eas.journal.reserve import JournalReserve
from eas.journal.spool import Spool

disk = Path(sys.argv[1])
spool = disk / "journal"
handlers = [JournalHandler(spool, f"w{number}") for number in range(2)]
loggers = []
for handler in handlers:
    logger = logging.Logger("task")
    logger.addHandler(handler)
    loggers.append(logger)
assert JournalReserve(spool, 1 << 20).fill()
loggers[0].info("before")

def fill():
    with (disk / "filler").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass

def emit(count, first_attempt):
    for number in range(count):
        for place, logger in enumerate(loggers):
            attempt = first_attempt + place
            handlers[place].set_attempt(attempt)
            logger.info("line %d", number)
            if number % 100 == 99:
                handlers[place].clear_attempt()

def read():
    lines = [line for segment in list_segments(spool) for line in segment.read_bytes().splitlines()]
    return [json.loads(line) for line in lines]

fill()
emit(1000, 10)
kept = read()
emit(1000, 20)
handlers[0].set_attempt(30)
for number in range(10):
    loggers[0].info("lost in any case")
handlers[0].clear_attempt()
(disk / "filler").unlink()
loggers[0].info("after")
for handler in handlers:
    handler.close()
everything = read()
print(json.dumps({"kept": kept, "everything": everything}))
"""


def numbers_of(lines: list[dict[str, Any]], attempt_id: int) -> list[int]:
    return sorted(line["sequence"] for line in lines if line["attempt_id"] == attempt_id and "sequence" in line)


def last_ending(lines: list[dict[str, Any]], attempt_id: int) -> int:
    return max(int(line["emitted"]) for line in lines if line["attempt_id"] == attempt_id and "emitted" in line)


def dropped(lines: list[dict[str, Any]], attempt_id: int) -> int:
    notices = [line for line in lines if line["attempt_id"] == attempt_id and "dropped" in line.get("message", "")]
    return sum(line["arguments"][0] for line in notices)


def test_records_of_a_full_disk_are_kept_in_the_reserve_and_counted_beyond_it(tmp_path: Path) -> None:
    mount = ["unshare", "-Urm", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*mount, f"mount -t tmpfs t {tmp_path}"]).returncode:
        pytest.skip("this system lets users mount no file system of their own")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=3m t {disk} && exec {sys.executable} -c "$0" {disk}'
    found = subprocess.run(
        [*mount, script, WRITE], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    lines = json.loads(found.stdout)
    # As long as the reserve lasts nothing is missing
    for attempt_id in (10, 11):
        assert numbers_of(lines["kept"], attempt_id) == list(range(1000))
    # When it is used up, what is missing is counted, each attempt's own
    for attempt_id, emitted in ((20, 1000), (21, 1000), (30, 10)):
        there = numbers_of(lines["everything"], attempt_id)
        notices = [
            line
            for line in lines["everything"]
            if line["attempt_id"] == attempt_id and "dropped" in line.get("message", "")
        ]
        missing = dropped(lines["everything"], attempt_id)
        assert missing > 0
        assert len(there) - len(notices) + missing == emitted
        assert last_ending(lines["everything"], attempt_id) == emitted + len(notices)

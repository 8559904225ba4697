"""What workers say on their standard streams: kept while they live, and for a while after."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from eas_control.storage.worker_logs import MOST_KEPT, WorkerLogs


def test_the_files_of_dead_workers_go_but_the_newest_and_those_of_the_living_stay(tmp_path: Path) -> None:
    logs = WorkerLogs(tmp_path)
    with ExitStack() as stack:
        for number in range(MOST_KEPT + 5):
            descriptor = stack.enter_context(logs.opened(f"w{number}"))
            os.write(descriptor, b"words\n")
            os.utime(logs.path_of(f"w{number}"), (number, number))
            if number == 0:  # as a worker that lives on has it
                inherited = os.dup(descriptor)
        assert logs.prune() == 0
    assert logs.prune() == 4
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(["w0", *(f"w{n}" for n in range(5, 15))])
    os.close(inherited)
    assert logs.prune() == 1
    assert not logs.path_of("w0").exists()


def test_the_last_words_are_the_last_line_that_is_not_empty(tmp_path: Path) -> None:
    logs = WorkerLogs(tmp_path)
    assert logs.read_last_words("w") == ""
    with logs.opened("w") as descriptor:
        os.write(descriptor, b"first\nlast words\n\n")
    assert logs.read_last_words("w") == "last words"

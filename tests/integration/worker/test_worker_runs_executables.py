"""A worker runs an executable: its files, its words in the log, its reasons, and its death with the child."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eas.contracts.states import FailureReason
from eas.journal.journal import list_segments
from tests.integration.worker.observation import appearance, gone
from tests.integration.worker.trial import open_trial

DECLARATION = """
name = "shell"
version = "1"
command = ["sh", "-c", "eval \\"$EAS_SETTING_SCRIPT\\""]
settings.script.type = "string"
settings.factor = { type = "integer", minimum = 1, default = 2 }
inputs.original.required = false
outputs.copy = { required = false, mime_type = "text/plain" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "types"
    place.mkdir()
    (place / "shell.task_type.toml").write_text(DECLARATION)
    return place


async def test_an_executable_reads_writes_and_judges(tmp_path: Path, folder: Path) -> None:
    script = """
echo working
cat "$EAS_INPUT_ORIGINAL" "$EAS_INPUT_ORIGINAL" > "$EAS_OUTPUT_COPY"
echo '{"metadata": {"factor": '"$EAS_SETTING_FACTOR"'}, "outputs": {"copy": {"metadata": {"b": 2}}}}' > result.json
"""
    async with open_trial(tmp_path, task_type_folder=folder, only=("shell",)) as trial:
        original = trial.store.put("lightcurve", "star.txt", b"1 2 3\n", {"star": "K2-3"})
        report = await trial.scheduler.report_of(
            trial.scheduler.add("shell", {"script": script}, inputs={"original": original}, outputs={"copy": "c.txt"})
        )
        assert (report.state, report.metadata) == ("accepted", {"factor": 2})
        assert trial.store.contents[report.outputs[0].version_id] == b"1 2 3\n1 2 3\n"
        assert '"working"' in "".join(path.read_text() for path in list_segments(trial.workspace.journal))


async def test_failures_of_an_executable_are_typed(tmp_path: Path, folder: Path) -> None:
    async with open_trial(tmp_path, task_type_folder=folder, only=("shell",)) as trial:
        for settings, reason, words in (
            ({"script": "echo dark >&2; exit 65"}, FailureReason.INPUT, "exit status 65: dark"),
            ({"script": "exit 75"}, FailureReason.INFRASTRUCTURE, "exit status 75"),
            ({"script": "true", "factor": 0}, FailureReason.INPUT, "setting factor: 0 is less than the minimum of 1"),
        ):
            report = await trial.scheduler.report_of(trial.scheduler.add("shell", settings))
            assert (report.state, report.reason) == ("failed", reason)
            assert words in (report.message or "")
        report = await trial.scheduler.report_of(
            trial.scheduler.add("shell", {"script": "true"}, outputs={"copy": "c"})
        )
        assert (report.state, report.reason) == ("rejected", FailureReason.QUALITY)


async def test_a_cancelled_executable_dies_with_its_descendants(tmp_path: Path, folder: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/sleeper.new; mv {tmp_path}/sleeper.new {tmp_path}/sleeper; wait"
    async with open_trial(tmp_path, task_type_folder=folder, only=("shell",)) as trial:
        attempt = trial.scheduler.add("shell", {"script": script})
        pid = int(await appearance(tmp_path / "sleeper"))
        os.kill(pid, 0)
        trial.scheduler.cancel(attempt)
        await gone(pid)

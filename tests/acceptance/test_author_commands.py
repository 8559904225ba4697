"""Commands for authors of task types: real processes, but no suite."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eas.lightcurve import read_light_curve
from tests.acceptance.conftest import ENVIRONMENT, eas, wait_until

pytestmark = pytest.mark.acceptance

PSLS_DATA = Path(sys.prefix) / "share" / "psls"
EXAMPLES = Path(__file__).parents[2] / "examples" / "run_task"
#: What each example's file ends with, and something of what it finds.
ENDS: dict[str, tuple[int, dict[str, Any]]] = {
    "null.toml": (0, {}),
    "error.toml": (1, {}),
    "verify.toml": (0, {"verification": 1.0, "verification_time_min": 0.0, "verification_cadence": 900.0}),
    "verify.ini": (0, {"verification": 1.0}),
    "multiply.toml": (0, {"orbital_period": 4.0}),
    "bls_reference.toml": (0, {"outcome": "PASS"}),
    "tls.toml": (0, {"outcome": "PASS"}),
    "bls_kovacs.toml": (0, {"outcome": "PASS"}),
    "qats.toml": (0, {"outcome": "PASS"}),
    "psls.toml": (0, {"noise_per_sample": 73e-6 * 6**0.5 / 24**0.5, "orbital_period": 3.0}),
    "ingest.toml": (0, {"ingested": 1}),
}
EAS = (sys.executable, "-m", "eas_control.main")
WORDS = '[outputs]\ntext = "words.txt"\n'
MISDEEDS = """
import ctypes, os, subprocess, sys, time
from pathlib import Path
from eas import Field, TaskContext, TaskSettings, quality_check, reject, task_type

class Deed(TaskSettings):
    deed: str = Field(default="", description="What to do.")
    place: str = Field(default="", description="Where to say so.")

@task_type(version="1", outputs=["text"])
def misbehave(context: TaskContext, settings: Deed):
    print("about to", settings.deed)
    match settings.deed:
        case "crash":
            ctypes.string_at(0)
        case "stay":
            child = subprocess.Popen(["sleep", "600"], start_new_session=settings.place.endswith("apart"))
            Path(settings.place).write_text(f"{os.getpid()} {child.pid}")
            if settings.deed == "stay":
                time.sleep(600)
        case "hold":
            held = bytearray(500_000_000)
            time.sleep(30)
        case "burn":
            while time.process_time() < 30:
                pass
        case "write":
            for number in range(100):
                Path(f"file{number}").write_bytes(bytes(1_000_000))
            time.sleep(30)
        case "exit":
            os._exit(5)
        case "multiply":
            children = [subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(8)]
            Path(settings.place).write_text(" ".join(str(child.pid) for child in children))
            time.sleep(30)
        case "leave":
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            Path(settings.place).write_text(f"{child.pid}")
    path = context.path_for("text")
    path.write_text("words")
    context.add_output("text", path, metadata={"mes": 7.5, "object": "TIC 1"})
    return {"here": str(Path.cwd()), "token": os.environ.get("EAS_TOKEN", "none"), "cpus": context.cpus,
            "threads": os.environ["OMP_NUM_THREADS"], "seed": context.seed}

@quality_check("misbehave")
def no_rejects(context, metadata):
    if "reject" in str(context.metadata) or context.seed == 13:
        return reject("unlucky", slot="text")
"""


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples in a folder of their own, with the curve that they read."""
    folder = tmp_path_factory.mktemp("examples") / "run_task"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("results"))
    done = eas("run-task", folder / "batman.toml", "--keep-metadata")
    assert done.returncode == 0, done.stderr
    return folder


def test_every_example_is_tried(examples: Path) -> None:
    files = {path.name for path in examples.iterdir() if path.is_file()}
    assert files - {"batman.toml"} == ENDS.keys()


@pytest.mark.parametrize("name", ENDS)
def test_an_example_ends_as_it_should(examples: Path, name: str) -> None:
    status, metadata = ENDS[name]
    if name == "psls.toml" and not (importlib.util.find_spec("psls") and (PSLS_DATA / "models").is_dir()):
        pytest.skip("PSLS is not installed: make psls")
    done = eas("run-task", examples / name, "--json", "--input", examples / "results")
    assert done.returncode == status, done.stderr
    run = json.loads(done.stdout)
    assert run["state"] == ("failed" if status else "accepted")
    assert {key: run["metadata"][key] for key in metadata} == pytest.approx(metadata)


def test_paths_may_start_from_the_current_folder(examples: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "configurations").mkdir()
    shutil.copy(examples / "results" / "star.npz", tmp_path / "data" / "star.npz")
    text = "[task]\ntask = verify\n[inputs]\nlightcurve = data/star.npz\n"
    (tmp_path / "configurations" / "verify.ini").write_text(text)
    command = [*EAS, "run-task", "configurations/verify.ini"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    assert eas("run-task", tmp_path / "configurations" / "verify.ini", "--base", tmp_path).returncode == 0
    done = eas("run-task", tmp_path / "configurations" / "verify.ini")
    assert (done.returncode, "there is no file" in done.stderr) == (2, True)


def test_the_outputs_are_where_the_file_says(examples: Path) -> None:
    assert eas("run-task", examples / "multiply.toml").returncode == 0
    assert eas("run-task", examples / "ingest.toml", "--input", examples / "results").returncode == 0

    star, product = (read_light_curve(examples / "results" / name) for name in ("star.npz", "product.gz"))

    assert len(product) == len(star) - 2
    assert product.fluxes == pytest.approx(star.fluxes[1:-1] ** 2, rel=1e-6)
    assert (examples / "results" / "ingested" / "star.npz").stat().st_size > 0
    assert "mes = " in (examples / "results" / "star.npz.metadata.cfg").read_text()


def test_the_same_seed_makes_the_same_bytes(examples: Path, tmp_path: Path) -> None:
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        done = eas("run-task", examples / "batman.toml", "--seed", str(seed), "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
    a, b, c = ((tmp_path / name / "results" / "star.npz").read_bytes() for name in "abc")
    assert a == b != c


@pytest.fixture
def misdeeds(tmp_path: Path) -> Path:
    (tmp_path / "misdeeds.py").write_text(MISDEEDS)
    return tmp_path


def run(folder: Path, deed: str = "", *options: str, **settings: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    lines = [f'{key} = "{value}"' for key, value in {"task": "misbehave", "deed": deed, **settings}.items()]
    (folder / "task.toml").write_text("\n".join(["[task]", *lines, "[outputs]", 'text = "words.txt"']))
    done = eas(
        "run-task",
        folder / "task.toml",
        "--task-types",
        folder,
        "--json",
        *options,
        EAS_TOKEN="secret",
        TMPDIR=str(folder),
    )
    return done, json.loads(done.stdout)


def test_a_task_type_of_ones_own_runs_in_a_folder_that_vanishes(misdeeds: Path) -> None:
    done, answer = run(misdeeds, "", "--cpus", "3", "--keep-metadata")

    assert done.returncode == 0, done.stderr
    assert "about to" in done.stderr
    assert answer["metadata"]["token"] == "none"
    assert (answer["metadata"]["cpus"], answer["metadata"]["threads"]) == (3, "3")
    assert not Path(answer["metadata"]["here"]).exists()
    assert (misdeeds / "words.txt").read_text() == "words"
    assert (misdeeds / "words.txt.metadata.cfg").read_text() == "[metadata]\nmes = 7.5\nobject = TIC 1\n"
    assert [path.name for path in misdeeds.glob("eas-*")] == []


def test_a_rejected_output_does_not_take_the_place_of_a_good_one(misdeeds: Path) -> None:
    (misdeeds / "words.txt").write_text("good")
    done, answer = run(misdeeds, "", "--seed", "13")

    assert done.returncode == 1
    assert (answer["state"], answer["message"]) == ("rejected", "text: no_rejects: unlucky")
    assert (misdeeds / "words.txt").read_text() == "good"
    assert (misdeeds / "words.txt.rejected").read_text() == "words"
    assert answer["outputs"][0]["qc_reason"] == "no_rejects: unlucky"


@pytest.mark.parametrize(("deed", "words"), [("crash", "crashed with SIGSEGV"), ("exit", "with exit status 5")])
def test_a_task_that_ends_its_process_has_failed_as_with_a_worker(misdeeds: Path, deed: str, words: str) -> None:
    done, answer = run(misdeeds, deed)
    assert done.returncode == 1
    assert (answer["state"], answer["reason"], answer["version"]) == ("failed", "science", "1")
    assert words in answer["message"]


def test_a_task_that_is_killed_from_outside_has_no_answer(misdeeds: Path) -> None:
    place = misdeeds / "apart"
    (misdeeds / "task.toml").write_text(f'[task]\ntask = "misbehave"\ndeed = "stay"\nplace = "{place}"\n' + WORDS)
    command = [*EAS, "run-task", str(misdeeds / "task.toml"), "--task-types", str(misdeeds), "--json"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        pid, child = wait_until(lambda: place.exists() and [int(word) for word in place.read_text().split()])
        os.kill(pid, signal.SIGKILL)
        answer = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == 1
    assert (answer["error"]["slug"], "was killed by SIGKILL" in answer["error"]["message"]) == ("author_process", True)
    wait_until(lambda: is_gone(child))


#: What each limit is for, the option, the reason, and something of what is said.
LIMITS = [
    ("hold", "memory_gb", "0.2", "out_of_memory", "it may use 0.2 GB"),
    ("burn", "cpu_timeout", "0.3", "timeout", "of processor time; it may use 0.3 s"),
    ("stay", "run_timeout", "0.5", "timeout", "ran for longer than 0.5 s"),
    ("write", "disk_gb", "0.01", "over_limit", "of files; it may write 0.01 GB"),
    ("multiply", "max_processes", "4", "over_limit", "it may have 4"),
]


@pytest.mark.parametrize("how", ["option", "toml", "ini"])
@pytest.mark.parametrize(("deed", "name", "limit", "reason", "words"), LIMITS, ids=[limit[1] for limit in LIMITS])
def test_a_task_by_itself_is_kept_within_its_limits(
    misdeeds: Path, how: str, deed: str, name: str, limit: str, reason: str, words: str
) -> None:
    place, quote = misdeeds / "pids", "" if how == "ini" else '"'
    task = {"task": "misbehave", "deed": deed, "place": str(place)}
    text = "\n".join(["[task]", *(f"{key} = {quote}{value}{quote}" for key, value in task.items()), ""])
    text += f"[outputs]\ntext = {quote}words.txt{quote}\n"
    given: tuple[str, ...] = ("--" + name.replace("_", "-"), limit)
    if how != "option":
        text, given = text + f"[execution]\n{name} = {limit}\n", ()
    file = misdeeds / ("task.ini" if how == "ini" else "task.toml")
    file.write_text(text)

    done = eas("run-task", file, "--task-types", misdeeds, "--json", *given, TMPDIR=str(misdeeds))

    assert done.returncode == 3, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert (answer["state"], answer["reason"], answer["version"]) == ("failed", reason, "1")
    assert words in answer["message"]
    assert not (misdeeds / "words.txt").exists()
    assert [path.name for path in misdeeds.glob("eas-*")] == []
    for pid in map(int, place.read_text().split() if place.exists() else []):
        wait_until(partial(is_gone, pid))


def test_an_option_goes_before_the_file_and_what_is_enough_changes_nothing(misdeeds: Path) -> None:
    (misdeeds / "task.toml").write_text(f'[task]\ntask = "misbehave"\n{WORDS}[execution]\nrun_timeout = 1e-9\n')
    generous = ("--run-timeout", "60", "--memory-gb", "8", "--cpu-timeout", "60", "--max-processes", "100")
    done = eas("run-task", misdeeds / "task.toml", "--task-types", misdeeds, *generous, "--disk-gb", "1")
    assert done.returncode == 0, done.stderr
    assert (misdeeds / "words.txt").read_text() == "words"


def test_a_limit_that_makes_no_sense_has_status_2(misdeeds: Path) -> None:
    (misdeeds / "task.toml").write_text('[task]\ntask = "misbehave"\n')
    done = eas("run-task", misdeeds / "task.toml", "--memory-gb", "-1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--memory-gb -1.0: Input should be greater than 0" in done.stderr


def test_what_a_task_leaves_running_ends_with_it(misdeeds: Path) -> None:
    done, _ = run(misdeeds, "leave", place=str(misdeeds / "pid"))
    assert done.returncode == 0
    pid = int((misdeeds / "pid").read_text())
    wait_until(lambda: is_gone(pid))


def test_an_interrupt_ends_all_and_leaves_nothing(misdeeds: Path) -> None:
    pids = misdeeds / "pids"
    (misdeeds / "task.toml").write_text(
        f'[task]\ntask = "misbehave"\ndeed = "stay"\nplace = "{pids}"\n[outputs]\ntext = "words.txt"\n'
    )
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "eas_control.main", "run-task", str(misdeeds / "task.toml")),
            *("--task-types", str(misdeeds / "misdeeds.py")),
        ],
        env={**ENVIRONMENT, "TMPDIR": str(misdeeds)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    found = wait_until(lambda: pids.exists() and pids.read_text().split())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    for pid in map(int, found):
        wait_until(partial(is_gone, pid))
    assert [path.name for path in misdeeds.glob("eas-*")] == []


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[task]\ntask = "nonsense"', "task.toml: [task] task: there is no task type 'nonsense'; there are binning,"),
        ('[task]\ntask = "null"\nduration = -1', "task.toml: [task] duration: Input should be greater than or equal"),
        (
            '[task]\ntask = "null"\n[execution]\nmemory_gb = "2"',
            "[execution] memory_gb: Input should be a valid number",
        ),
        (
            '[task]\ntask = "null"\n[execution]\nmemory = 2',
            "[execution] memory: there is no such limit; there are run_",
        ),
        ('[task]\ntask = "verify"', "task.toml: [inputs]: verify needs lightcurve"),
        ('[task]\ntask = "verify"\n[inputs]\nlightcurve = "x"', "task.toml: [inputs] lightcurve: there is no file"),
    ],
)
def test_a_wrong_file_has_status_2(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "task.toml").write_text(text)
    done = eas("run-task", tmp_path / "task.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_check_says_what_is_wrong_with_each_file(tmp_path: Path) -> None:
    (tmp_path / "a_good.py").write_text(
        "from eas import Example, TaskContext, task_type\n"
        "@task_type(version='1', uses_seed=False, example=Example())\n"
        "def hello(context: TaskContext):\n    return {'word': 'hello'}\n"
    )
    good = eas("task-types", "check", tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert re.search(r"ok  \S+a_good\.py: task type 'hello' 1, example accepted in \S+ s", good.stdout)

    (tmp_path / "b_bad.py").write_text("import no_such_module_at_all\n")
    bad = eas("task-types", "check", tmp_path, "--json")
    assert bad.returncode == 1
    found = json.loads(bad.stdout)
    assert [len(inspection["findings"]) for inspection in found] == [0, 1]
    assert "no_such_module_at_all" in found[1]["findings"][0]["message"]


def test_a_suite_does_not_start_where_a_quality_check_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "strict.py").write_text("from eas import quality_check\nimport no_such_module_at_all\n")
    done = eas("up", "--task-types", tmp_path, "--data", tmp_path / "data", "--port", "0")
    assert done.returncode == 2
    assert f"{tmp_path / 'strict.py'}: ModuleNotFoundError" in done.stderr
    assert "workers offer nothing" in done.stderr


def test_an_executable_is_checked_and_run_from_text_alone(examples: Path, tmp_path: Path) -> None:
    declaration = EXAMPLES.parent / "executables" / "flux_range"
    assert "task type 'flux_range' 1" in eas("task-types", "check", declaration).stdout
    assert eas("run-task", examples / "multiply.toml").returncode == 0
    (tmp_path / "task.ini").write_text(
        f"[task]\ntask = flux_range\nlowest_allowed = 9e-1\n[inputs]\nlightcurve = {examples}/results/product.gz\n"
    )
    done = eas("run-task", tmp_path / "task.ini", "--task-types", declaration, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metadata"]["flux_max"] > 1


def test_a_name_that_is_taken_is_said(tmp_path: Path) -> None:
    text = "from eas import task_type\n@task_type(version='1')\ndef {name}(context): ...\n"
    for file, name in (("a", "null"), ("b", "mine"), ("c", "mine")):
        (tmp_path / f"{file}.py").write_text(text.format(name=name))
    done = eas("task-types", "check", tmp_path)
    assert done.returncode == 1
    assert "a task type 'null' already, in eas_worker.tasks.null:TASK_TYPE" in done.stdout
    assert f"a task type 'mine' already, in {tmp_path / 'b.py'}" in done.stdout
    null = Path(__file__).parents[2] / "services" / "worker" / "eas_worker" / "tasks" / "null.py"
    assert eas("task-types", "check", null).returncode == 0


def test_advice_counts_where_it_is_asked_to(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("from eas import task_type\n@task_type(version='1')\ndef plain(context): ...\n")
    assert eas("task-types", "check", tmp_path).returncode == 0
    assert eas("task-types", "check", tmp_path, "--strict").returncode == 1


def test_options_of_check_stand_behind_it() -> None:
    done = eas("task-types", "--json", "check", "null")
    assert done.returncode == 2
    assert "stand behind it" in done.stdout


def test_a_declared_executable_is_checked_and_its_example_run(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES.parent / "executables" / "flux_range", tmp_path / "flux_range")
    done = eas("task-types", "check", tmp_path / "flux_range" / "task_type.toml")
    assert done.returncode == 0, done.stderr
    assert "task type 'flux_range' 1, example accepted" in done.stdout
    (tmp_path / "flux_range" / "flux_range.sh").unlink()
    done = eas("task-types", "check", tmp_path / "flux_range" / "task_type.toml")
    assert done.returncode == 1
    assert "flux_range.sh: there is no such file" in done.stdout + done.stderr

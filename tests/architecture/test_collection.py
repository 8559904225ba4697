"""The tests that are collected: the same ones at any time, in any process, in any environment.

pytest-xdist stops where two of its processes collect different tests.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/architecture", "tests/unit", "tests/integration", "tests/acceptance")

#: What gives another value at each call, or on each machine.
FICKLE = {
    *("now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "ctime", "uuid1", "uuid4", "urandom"),
    *("getpid", "gethostname", "gettempdir", "mkdtemp", "id", "hash", "getenv", "environ", "token_hex", "home", "cwd"),
}
#: What does so unless it is given the time or the seed.
FICKLE_ALONE = {"compress": "mtime", "GzipFile": "mtime", "default_rng": "", "Random": ""}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_tests_are_collected_at_another_time_and_with_other_hashes(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Collect with another clock, hash seed, time zone, home and temporary folder, and compare the names.

    Only another process has another hash seed. What this process has collected is compared as it is; what it has not
    is collected by a third process.
    """
    covered = [folder for folder in FOLDERS if is_covered(request.config, folder)]
    others = [folder for folder in FOLDERS if folder not in covered]
    changed = {
        **{"PYTHONHASHSEED": "4711", "TZ": "Pacific/Chatham", "USER": "somebody", "LOGNAME": "somebody", "LANG": "C"},
        **{"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "COLUMNS": "60"},
    }
    with begin_collecting(FOLDERS, changed, "-p", "tests.support.other_clock") as then:
        here = {item.nodeid for item in request.session.items if item.nodeid.startswith(tuple(covered))}
        if others:
            with begin_collecting(others, {"PYTHONHASHSEED": "1"}) as now:
                here |= finish_collecting(now)
        there = finish_collecting(then)
    assert len(here) > 3000
    assert sorted(here ^ there)[:20] == []


def is_covered(config: pytest.Config, folder: str) -> bool:
    """Tell whether this process was asked for all tests of a folder."""
    if config.option.keyword or config.option.markexpr:
        return False
    wanted = [Path(config.invocation_params.dir, argument).resolve() for argument in config.args]
    return any((ROOT / folder).is_relative_to(path) for path in wanted)


def begin_collecting(folders: object, environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    plain = ("-q", "--collect-only", "-p", "no:cacheprovider", "-p", "no:xdist")
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *plain, *options, *folders],  # type: ignore[misc]
        cwd=ROOT,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish_collecting(process: subprocess.Popen[str]) -> set[str]:
    output, _ = process.communicate()
    assert process.returncode == 0, output[-3000:]
    return {line for line in output.splitlines() if line.startswith("tests/") and "::" in line}


def test_no_parameter_is_made_from_the_clock_or_the_machine() -> None:
    guilty = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line, name in find_fickle_parameters(ast.parse(path.read_text("utf-8")))
    ]
    assert guilty == []


@pytest.mark.parametrize(
    "parameters",
    ["[datetime.now(UTC)]", '["a", str(uuid4())]', '[gzip.compress(b"")]', '[os.environ["HOME"]]', "[Path.home()]"],
)
def test_fickle_parameters_are_found(parameters: str) -> None:
    text = f'@pytest.mark.parametrize("value", {parameters})\ndef test_it(value): ...'
    assert len(list(find_fickle_parameters(ast.parse(text)))) == 1
    assert not list(find_fickle_parameters(ast.parse(text.replace(parameters, '[gzip.compress(b"", mtime=0)]'))))


def find_fickle_parameters(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Find calls and names in the arguments of ``parametrize`` and of fixtures' ``params`` that are not constant."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        arguments = call.args[1:] if call.func.attr == "parametrize" else []
        arguments = [*arguments, *(keyword.value for keyword in call.keywords if keyword.arg in ("params", "ids"))]
        for node in (node for argument in arguments for node in ast.walk(argument)):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                given = {keyword.arg for keyword in node.keywords}
                alone = name in FICKLE_ALONE and not (FICKLE_ALONE[name] in given if FICKLE_ALONE[name] else node.args)
                if name in FICKLE or alone:
                    yield node.lineno, name
            elif isinstance(node, ast.Attribute) and node.attr == "environ":
                yield node.lineno, node.attr

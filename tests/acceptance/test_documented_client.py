"""What the guide to the Python client shows works, in its order, on a real suite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import RunningSuite, running_suite

pytestmark = pytest.mark.acceptance

GUIDE = (Path(__file__).parents[2] / "docs" / "python_client.md").read_text("utf-8")
EXAMPLES = list(re.finditer(r"```python\n(.*?)```", GUIDE, re.DOTALL))


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[RunningSuite]:
    """A new suite, so that numbers are as the guide has them."""
    with running_suite(tmp_path / "data") as found:
        yield found


def test_the_examples_of_the_guide_work(
    suite: RunningSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EAS_URL", suite.url)
    monkeypatch.setenv("EAS_TOKEN", suite.token)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "guide"}

    for example in EXAMPLES:
        blank = "\n" * GUIDE.count("\n", 0, example.start(1))
        exec(compile(blank + example[1], "docs/python_client.md", "exec"), names)  # the place is for tracebacks

    said = capsys.readouterr().out
    for promised in (
        "<Job 1 'two_planets': done, 8 of 8 tasks done>",
        "job 3 is still running after 0.2 s; it goes on",
    ):
        assert promised in GUIDE
        assert promised in said
    assert "two_planets/star_1.npz" in said
    assert "no such star" in said
    assert "$.task_list[0].duration" in said
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"star_0.npz", "star_1.npz"}
    assert names["light_curve"].files
    assert names["kept"].path.read_bytes() == (tmp_path / "results" / "star_0.npz").read_bytes()

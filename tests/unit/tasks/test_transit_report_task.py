"""The task type `transit_report`: numbers against the truth, a whole page, escaped text."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from eas.authoring.errors import InputError
from eas.authoring.task_type import InputFile, TaskContext
from eas.contracts.metadata import Metadata
from eas.contracts.values import find_value_fault
from eas.lightcurve import LightCurve, write_light_curve
from eas_worker.science.synthesis import PlanetarySystem, transit_model, white_noise
from eas_worker.science.transit_signal import Periodogram, SearchFindings
from eas_worker.tasks.search_archive import write_archive
from eas_worker.tasks.transit_report import TASK_TYPE

SUN = 695_500e3 / 71_492e3  # [Jupiter radii]
CANDIDATE = {
    "period": 3.302,
    "epoch": 1326.01,
    "duration": 0.1,
    "transit_depth": 4e-3,
    "sde": 20.0,
    "outcome": "PASS",
    "target_period": 3.3,
    "unheard_of": [1, 2],
}
Report = Callable[..., tuple[Metadata, TaskContext]]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Report on a planet of 0.7 Jupiter radii around a Sun, 27 d every 20 minutes from 1325 d on."""

    def run(*, extras: bool = True, **settings: Any) -> tuple[Metadata, TaskContext]:
        times = np.arange(27 * 72, dtype=np.float64) / 72
        model = transit_model(PlanetarySystem(SUN, 0.7, 3.3, 0.05, t0=1.0), times)
        flat = LightCurve(
            times + 1325, model + white_noise(times.size, 3e-4, seed=4), metadata={"radius": 1.0}, time_system="BTJD"
        )
        raw = LightCurve(flat.times, flat.fluxes * (5000 + 30 * np.sin(times)), time_system="BTJD")
        inputs = {}
        for slot, curve in {"lightcurve": flat, "raw": raw}.items():
            write_light_curve(curve, tmp_path / f"{slot}.npz")
            inputs[slot] = InputFile(tmp_path / f"{slot}.npz", curve.metadata)
        periods = np.geomspace(0.6, 13, 9000)
        periodogram = Periodogram(periods, np.exp(-((periods - 3.3) ** 2) * 50))
        write_archive(tmp_path / "search.tar.gz", SearchFindings(None, periodogram), {})
        inputs["debugging"] = InputFile(tmp_path / "search.tar.gz")
        names = {"report_png": "page.png", "report_html": "page.html"}
        context = TaskContext(
            directory=tmp_path,
            inputs=inputs if extras else {"lightcurve": inputs["lightcurve"]},
            output_names=names if extras else {"report_png": "page.png"},
        )
        chosen = TASK_TYPE.settings.model_validate({"candidate": CANDIDATE, **settings})
        metadata = TASK_TYPE.run(context, chosen)
        assert TASK_TYPE.check is not None
        verdicts = TASK_TYPE.check(context, metadata)
        assert len(verdicts) == len(context.outputs)
        assert all(verdict.passed for verdict in verdicts)
        return metadata, context

    return run


def test_the_numbers_are_those_injected(report: Report) -> None:
    metadata, context = report()

    assert find_value_fault(metadata) is None
    assert metadata["period"] == 3.302
    assert metadata["fitted_period"] == pytest.approx(3.3, abs=4 * metadata["fitted_period_error"])
    assert metadata["fitted_epoch"] == pytest.approx(1326.0, abs=0.003)
    assert metadata["depth_ppm"] == pytest.approx(0.7**2 / SUN**2 * 1e6, rel=0.08)
    assert metadata["transit_count"] == 8
    assert metadata["odd_even_sigma"] < 3.5
    assert abs(metadata["secondary_sigma"]) < 3.5
    assert metadata["planet_radius_jupiter"] == pytest.approx(0.7, rel=0.05)
    assert metadata["scatter_ppm"] == pytest.approx(300, rel=0.06)
    assert context.outputs[0].metadata["depth_ppm"] == metadata["depth_ppm"]
    assert [output.mime_type for output in context.outputs] == ["image/png", "text/html"]


def test_a_stellar_radius_in_the_settings_wins(report: Report) -> None:
    metadata, _ = report(star_radius=0.5)

    assert metadata["planet_radius_jupiter"] == pytest.approx(0.35, rel=0.05)


def test_only_the_curve_is_needed(report: Report) -> None:
    metadata, context = report(extras=False)

    assert [output.slot for output in context.outputs] == ["report_png"]
    assert metadata["title"] == "Transit candidate"


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_a_malicious_title_stays_text(report: Report) -> None:
    title = "</title><script>alert('x')</script><img src=x onerror=alert(1)> $\\frac{1$ &amp; \"q\""

    metadata, context = report(title=title)

    text = context.outputs[1].path.read_text("utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert page.tags.count("img") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert title in page.texts
    assert metadata["title"] == title


@pytest.mark.parametrize("title", ["日本語の星 \x00\x07 \u202e abc\nnext line", "%s {0} $\\textbf{", "🪐" * 300])
def test_any_title_can_be_drawn(report: Report, title: str) -> None:
    metadata, _ = report(title=title)

    assert metadata["title"] == title


def test_the_html_needs_nothing_else_and_has_a_real_table(report: Report) -> None:
    _, context = report()

    page = Page(context.outputs[1].path.read_text("utf-8"))

    sources = [value for name, value in page.attributes if name in ("src", "href")]
    assert len(sources) == 1
    assert (sources[0] or "").startswith("data:image/png;base64,")
    assert page.tags.count("tr") >= 15
    assert "Period (search)" in page.texts
    assert "Epoch (BTJD)" in page.texts
    assert "PASS" in page.texts


def test_a_malicious_outcome_is_escaped_too(report: Report) -> None:
    _, context = report(candidate={**CANDIDATE, "outcome": "<script>alert(1)</script>"})

    assert "script" not in Page(context.outputs[1].path.read_text("utf-8")).tags


def test_drawing_leaves_the_state_of_matplotlib_alone(report: Report) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    report()

    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("missing", ["period", "epoch", "duration", "transit_depth"])
def test_a_candidate_without_an_ephemeris_is_refused(missing: str) -> None:
    candidate = {key: value for key, value in CANDIDATE.items() if key != missing}

    with pytest.raises(ValidationError, match=missing):
        TASK_TYPE.settings.model_validate({"candidate": candidate})


def test_a_candidate_longer_than_its_period_is_an_input_error(report: Report) -> None:
    with pytest.raises(InputError, match="not below its period"):
        report(candidate={**CANDIDATE, "duration": 5.0})


def test_a_torn_picture_fails_quality_control(report: Report) -> None:
    metadata, context = report()
    picture = context.outputs[0].path
    picture.write_bytes(picture.read_bytes()[:-20])

    assert TASK_TYPE.check is not None
    assert [verdict.passed for verdict in TASK_TYPE.check(context, metadata)] == [False, True]

"""Tasks on light curves do what they are asked, or say why not: levels, edges, windows, order, few samples."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError

from eas.authoring.errors import InputError
from eas.authoring.task_type import InputFile, TaskContext, TaskType
from eas.contracts.metadata import Metadata
from eas.contracts.states import FailureReason
from eas.lightcurve import LightCurve, read_light_curve, write_light_curve
from eas_worker.logic.execution import ExecutionLimits
from eas_worker.logic.single_task import OneTaskType, SingleTask, run_single_task
from eas_worker.tasks import binning, detrend, multiply, transit_report, verify
from eas_worker.tasks.transit_search_bls_kovacs import TASK_TYPE as KOVACS
from eas_worker.tasks.transit_search_bls_reference import TASK_TYPE as BLS
from eas_worker.tasks.transit_search_qats import TASK_TYPE as QATS
from eas_worker.tasks.transit_search_tls import TASK_TYPE as TLS

SEARCHES = (BLS, KOVACS, TLS, QATS)
OTHERS = (detrend.TASK_TYPE, binning.TASK_TYPE, verify.TASK_TYPE, multiply.TASK_TYPE, transit_report.TASK_TYPE)
ALL = pytest.mark.parametrize("task_type", [*SEARCHES, *OTHERS], ids=lambda task_type: task_type.name)
SETTINGS: dict[str, dict[str, Any]] = {
    "binning": {"cadence": 7200},
    "transit_report": {"candidate": {"period": 2.5, "epoch": 1401.2, "duration": 0.14, "transit_depth": 0.01}},
    "detrend": {"bin_cadence": 0},
    **{task_type.name: {"lc_duration": 100} for task_type in SEARCHES},
    QATS.name: {"lc_duration": 100, "search_settings": {"period_min": 1.0}},
}


def star(*, noise: float = 2e-4) -> LightCurve:
    """Ten days, hourly, with a planet of 2.5 d and 1 %."""
    times = 1400 + np.arange(240) / 24
    fluxes = 1 + noise * np.random.default_rng(7).standard_normal(240)
    fluxes[np.abs((times - 1401.2 + 1.25) % 2.5 - 1.25) < 0.07] -= 0.01
    return LightCurve(times, fluxes, time_system="BTJD")


def run(task_type: TaskType, directory: Path, curve: LightCurve, **settings: Any) -> tuple[Metadata, TaskContext]:
    """Run a task on a curve, with quality control."""
    write_light_curve(curve, directory / "in.npz")
    file = InputFile(directory / "in.npz", {})
    suffix = ".png" if task_type.name == "transit_report" else ".npz"
    context = TaskContext(
        directory=directory,
        inputs={slot.name: file for slot in task_type.inputs if slot.required},
        output_names={slot.name: f"{slot.name}{suffix}" for slot in task_type.outputs if slot.required},
    )
    chosen = task_type.settings.model_validate({**SETTINGS.get(task_type.name, {}), **settings})
    metadata = task_type.run(context, chosen)
    if task_type.check is not None:
        assert [verdict.reason for verdict in task_type.check(context, metadata) if not verdict.passed] == []
    return metadata, context


def flatten(directory: Path, curve: LightCurve, **settings: Any) -> LightCurve:
    """Detrend a curve without binning it, and read what came out."""
    _, context = run(detrend.TASK_TYPE, directory, curve, **settings)
    return read_light_curve(context.outputs[0].path)


# --- A level to be divided by


@pytest.mark.parametrize("offset", [1e-5, -1e-5, 0.0])
def test_a_curve_centred_on_its_median_is_not_divided_by_what_is_left_of_it(tmp_path: Path, offset: float) -> None:
    curve = star()
    centred = LightCurve(curve.times, curve.fluxes - np.median(curve.fluxes) + offset)

    with pytest.raises(InputError, match=r"median flux, .* is not positive beyond the scatter.*subtracted\?"):
        flatten(tmp_path, centred)


def test_a_curve_centred_on_its_mean_is_refused_too(tmp_path: Path) -> None:
    # Its median is three times the noise, since the transits pull the mean down.
    curve = star()
    centred = LightCurve(curve.times, curve.fluxes - curve.fluxes.mean())
    assert np.median(centred.fluxes) > 2e-4

    with pytest.raises(InputError, match="is not positive beyond the scatter"):
        flatten(tmp_path, centred)


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_noise_alone_takes_no_level_away(tmp_path: Path, noise: float) -> None:
    assert np.isfinite(flatten(tmp_path, star(noise=noise), upper_sigma=None).fluxes).all()


def test_flares_and_deep_eclipses_take_no_level_away(tmp_path: Path) -> None:
    curve = star()
    fluxes = curve.fluxes.copy()
    fluxes[100], fluxes[50:60] = 1e6, 0.0

    flat = flatten(tmp_path, LightCurve(curve.times, fluxes))

    assert np.median(flat.good().fluxes) == pytest.approx(1, abs=1e-3)
    assert flat.flags[100]


@pytest.mark.parametrize("task_type", [*SEARCHES, transit_report.TASK_TYPE], ids=lambda task_type: task_type.name)
def test_what_needs_relative_fluxes_refuses_a_curve_without_a_level(task_type: TaskType, tmp_path: Path) -> None:
    curve = star()

    with pytest.raises(InputError, match="is not positive beyond the scatter"):
        run(task_type, tmp_path, LightCurve(curve.times, curve.fluxes - 1 + 1e-5))


def test_a_report_on_electrons_has_the_depth_of_relative_fluxes(tmp_path: Path) -> None:
    curve = star()

    metadata, _ = run(transit_report.TASK_TYPE, tmp_path, LightCurve(curve.times, 20_000 * curve.fluxes))

    assert metadata["depth_ppm"] == pytest.approx(1e4, rel=0.05)


def test_a_report_counts_transits_as_the_searches_do(tmp_path: Path) -> None:
    times = np.arange(0, 10, 1 / 24)
    fluxes = 1 - 0.01 * (np.abs((times + 0.02 + 1.5) % 3 - 1.5) < 0.1) + 1e-4 * np.cos(times * 50)
    candidate = {"period": 3.0, "epoch": 2.98, "duration": 0.2, "transit_depth": 0.01}

    metadata, _ = run(transit_report.TASK_TYPE, tmp_path, LightCurve(times, fluxes), candidate=candidate)

    assert metadata["transit_count"] == 3


# --- Edges, windows, pieces


@pytest.mark.parametrize("edge_cutoff", [5.0, 20.0, 1e6])
def test_edges_that_leave_nothing_are_refused(tmp_path: Path, edge_cutoff: float) -> None:
    with pytest.raises(InputError, match=r"edge_cutoff of .* leaves none of the 240 good samples.*lasts 9\.95"):
        flatten(tmp_path, star(), edge_cutoff=edge_cutoff)


@pytest.mark.parametrize("edge_cutoff", [0.3, 1.0, 4.0])
def test_edges_are_given_up_whatever_the_window(tmp_path: Path, edge_cutoff: float) -> None:
    flat = flatten(tmp_path, star(), edge_cutoff=edge_cutoff, window_length=0.8)

    kept = flat.times[~flat.flags]
    assert kept[0] == pytest.approx(1400 + edge_cutoff, abs=1 / 24)
    assert kept[-1] == pytest.approx(1400 + 239 / 24 - edge_cutoff, abs=1 / 24)


def test_every_piece_gives_up_its_edges(tmp_path: Path) -> None:
    curve = star()
    pieces = curve.select((curve.times < 1404) | (curve.times > 1406))

    whole, split = (flatten(tmp_path, pieces, edge_cutoff=1.0, break_tolerance=gap) for gap in (0, None))

    assert np.flatnonzero((whole.times[~whole.flags] > 1403.1) & (whole.times[~whole.flags] < 1406.9)).size > 0
    assert np.flatnonzero((split.times[~split.flags] > 1403.1) & (split.times[~split.flags] < 1406.9)).size == 0


@pytest.mark.parametrize(("cadence", "window"), [(1.0, 0.8), (1 / 24, 0.1), (1 / 24, 1e-3)])
def test_a_window_that_holds_a_sample_or_two_is_refused(tmp_path: Path, cadence: float, window: float) -> None:
    # Each sample would be its own trend: the flat curve is 1 throughout, and the planet is gone.
    times = np.arange(100) * cadence

    with pytest.raises(InputError, match=r"window_length of .* is too short for the 100 good samples"):
        flatten(tmp_path, LightCurve(times, star().fluxes[:100]), window_length=window)


def test_lonely_samples_have_no_trend_and_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    curve = star()
    lonely = LightCurve(np.append(curve.times, [1412.0, 1414.0]), np.append(curve.fluxes, [0.99, 1.01]))

    with caplog.at_level(logging.WARNING):
        metadata, context = run(detrend.TASK_TYPE, tmp_path, lonely)

    assert metadata["detrend_without_trend"] == 2
    assert read_light_curve(context.outputs[0].path).flags[-2:].all()
    assert any("2 of 242 good samples have no trend" in record.message for record in caplog.records)


@pytest.mark.parametrize("method", get_args(detrend.Method))
def test_every_method_flattens_a_constant_flux_and_a_short_curve(method: str, tmp_path: Path) -> None:
    constant = LightCurve(star().times, np.full(240, 3.0))

    assert flatten(tmp_path, constant, method=method).good().fluxes == pytest.approx(1.0)
    assert len(flatten(tmp_path, star().select(slice(0, 6)), method=method, window_length=1.0)) == 6


# --- Order


@ALL
@pytest.mark.parametrize("wrong", ["twice", "back", "reversed", "pieces"])
def test_times_that_do_not_increase_are_an_input_error(task_type: TaskType, wrong: str, tmp_path: Path) -> None:
    order = np.arange(240)
    order[100] = order[99] if wrong == "twice" else order[100]
    order = {"back": np.roll(order, 1), "reversed": order[::-1], "pieces": np.roll(order, 120)}.get(wrong, order)
    curve = star()

    with pytest.raises(InputError, match="strictly increase"):
        run(task_type, tmp_path, LightCurve(curve.times[order], curve.fluxes[order]))


# --- Few samples, and none that is good


@ALL
@pytest.mark.parametrize("count", [0, 1, 2, 5, 10, 20, 40])
def test_few_samples_end_in_metadata_or_in_words(task_type: TaskType, count: int, tmp_path: Path) -> None:
    times = np.sort(np.random.default_rng(3).uniform(0, 30, count))
    noise = 1 + 1e-3 * np.random.default_rng(4).standard_normal(count)

    for fluxes in (noise, np.ones(count)):
        metadata, words = run_or_words(task_type, tmp_path, LightCurve(times, fluxes))
        assert words or metadata is not None
        if task_type in SEARCHES and metadata is not None:
            assert count >= 10
            assert "period" in metadata or metadata["transit_count"] == 0


@ALL
@pytest.mark.parametrize("spoil", ["flags", "nan"])
def test_a_curve_without_a_good_sample_is_an_input_error(task_type: TaskType, spoil: str, tmp_path: Path) -> None:
    curve = star()
    fluxes = np.full(240, np.nan) if spoil == "nan" else curve.fluxes

    with pytest.raises(InputError, match="none of the 240 samples is finite and unflagged"):
        run(task_type, tmp_path, LightCurve(curve.times, fluxes, flags=np.full(240, spoil == "flags")))


def run_or_words(task_type: TaskType, directory: Path, curve: LightCurve) -> tuple[Metadata | None, str]:
    """The metadata, or what an input error says instead."""
    try:
        return run(task_type, directory, curve)[0], ""
    except InputError as error:
        return None, str(error)


def test_an_input_error_is_logged_in_words_without_a_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_light_curve(star().select(slice(0, 20)), tmp_path / "in.npz")
    lone = SingleTask(TLS.name, {"lc_duration": 100}, {"lightcurve": (tmp_path / "in.npz", {})}, {})

    answer = run_single_task(lone, OneTaskType(TLS), ExecutionLimits(), tmp_path)

    assert (answer.state, answer.reason) == ("failed", FailureReason.INPUT)
    (record,) = [found for found in caplog.records if found.levelname == "ERROR"]
    assert record.exc_info is None
    assert (answer.message or "?") in record.getMessage()


def test_a_raw_curve_without_a_sample_in_the_stretch_is_an_input_error(tmp_path: Path) -> None:
    curve = star()
    write_light_curve(curve, tmp_path / "in.npz")
    late = LightCurve(curve.times, curve.fluxes, flags=curve.times < 1406)
    write_light_curve(late, tmp_path / "raw.npz")
    inputs = {"lightcurve": InputFile(tmp_path / "in.npz", {}), "raw": InputFile(tmp_path / "raw.npz", {})}
    context = TaskContext(directory=tmp_path, inputs=inputs, output_names={"report_png": "page.png"})
    settings = transit_report.ReportSettings.model_validate({**SETTINGS["transit_report"], "lc_duration": 5})

    with pytest.raises(InputError, match="input 'raw': no good sample within lc_duration, 5 d"):
        transit_report.run(context, settings)


# --- Uncertainties


@pytest.mark.parametrize("task_type", [detrend.TASK_TYPE, binning.TASK_TYPE, multiply.TASK_TYPE], ids=lambda t: t.name)
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-4])
def test_impossible_uncertainties_count_as_unknown(
    task_type: TaskType, value: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    curve = star()
    uncertainties = np.full(240, 2e-4)
    uncertainties[100:110] = value

    with caplog.at_level(logging.WARNING):
        _, context = run(
            task_type,
            tmp_path,
            LightCurve(curve.times, curve.fluxes, uncertainties=uncertainties),
        )

    written = read_light_curve(context.outputs[0].path)
    inside = (written.times > 1400 + 101 / 24) & (written.times < 1400 + 108 / 24)
    assert np.isfinite(written.uncertainties).all()
    assert (written.uncertainties[inside] == 0).all() or task_type.name == "multiply"
    assert (written.uncertainties[~inside][5:-5] > 0).sum() > 80
    assert any("10 of 240 uncertainties are negative or not finite" in record.message for record in caplog.records)


def test_a_bin_with_an_unknown_uncertainty_has_none(tmp_path: Path) -> None:
    uncertainties = np.full(240, 2e-4)
    uncertainties[100] = 0.0
    curve = LightCurve(star().times, star().fluxes, uncertainties=uncertainties)

    _, context = run(binning.TASK_TYPE, tmp_path, curve, cadence=4 * 3600)

    binned = read_light_curve(context.outputs[0].path).uncertainties
    assert binned[25] == 0
    assert np.count_nonzero(binned == 0) == 1
    assert binned[10] == pytest.approx(1e-4, rel=0.1)


# --- Settings


@pytest.mark.parametrize("coefficients", [[0.7, 0.5], [1.5, 0.0], [2.0, -0.5]])
def test_limb_darkening_that_makes_the_limb_negative_is_refused(coefficients: list[float]) -> None:
    with pytest.raises(ValidationError, match="negative brightness"):
        TLS.settings.model_validate({"lc_duration": 10, "search_settings": {"limb_darkening": coefficients}})


@pytest.mark.parametrize("task_type", SEARCHES, ids=lambda task_type: task_type.name)
def test_a_search_longer_than_run_time_max_is_refused(task_type: TaskType, tmp_path: Path) -> None:
    settings = {"run_time_max": 1e-9, "period_min": 1.0}

    with pytest.raises(InputError, match=r"more than run_time_max, 1e-09 h, allows; use .*, or a larger run_time_max"):
        run(task_type, tmp_path, star(), search_settings=settings)

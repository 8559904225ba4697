"""The task types that make, change and check light curves: verify, multiply, binning, detrend."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from eas.authoring import light_curve_files
from eas.authoring.errors import InputError, OutputError
from eas.authoring.light_curve_files import (
    check_light_curve_file,
    check_light_curves,
    open_light_curve,
)
from eas.authoring.task_type import InputFile, OutputFile, TaskContext
from eas.contracts.metadata import Metadata
from eas.lightcurve import FixedStepLightCurve, LightCurve, read_light_curve, write_light_curve
from eas_worker.tasks import binning, detrend, multiply, verify

SECOND = 1 / 86400


def given_context(
    directory: Path,
    inputs: Mapping[str, LightCurve | Path],
    outputs: Mapping[str, str] | None = None,
    metadata: Metadata | None = None,
) -> TaskContext:
    """Lay out inputs as the worker does."""
    files = {}
    for slot, source in inputs.items():
        path = directory / f"in_{slot}.npz"
        if isinstance(source, LightCurve):
            write_light_curve(source, path)
        else:
            path = source
        files[slot] = InputFile(path, metadata or {})
    return TaskContext(directory, files, outputs or {})


def steady(count: int = 100, *, step: float = 25 * SECOND, flux: float = 1.0, **rest: object) -> FixedStepLightCurve:
    return FixedStepLightCurve(0, step, np.full(count, flux), **rest)  # type: ignore[arg-type]


def output(context: TaskContext, slot: str = "lightcurve") -> LightCurve:
    """Read back what the task wrote to a slot."""
    return read_light_curve(next(file.path for file in context.outputs if file.slot == slot))


NAN_ONLY = steady(10, flux=np.nan)


# --- verify


def test_verify_reports_the_ranges_and_a_regular_raster(tmp_path: Path) -> None:
    curve = LightCurve(5 + np.arange(100) * 25.3 * SECOND, np.linspace(0.5, 1.5, 100))
    found = verify.run(given_context(tmp_path, {"lightcurve": curve}), verify.VerifySettings())
    assert found["verification"] == 1.0
    assert (found["verification_time_min"], found["verification_flux_min"]) == (5, 0.5)
    assert (found["verification_time_max"], found["verification_flux_max"]) == (curve.times[-1], 1.5)
    assert found["verification_cadence"] == pytest.approx(25.3)


def test_verify_counts_what_is_missing_and_ignores_bad_samples(tmp_path: Path) -> None:
    times = np.delete(np.arange(100) * 0.01, [50, 51])
    fluxes = np.ones(98)
    fluxes[3], fluxes[4] = np.nan, 999
    curve = LightCurve(times, fluxes, flags=np.arange(98) == 4)
    found = verify.run(given_context(tmp_path, {"lightcurve": curve}), verify.VerifySettings())
    assert (found["verification"], found["verification_missing"]) == (0.0, 2)
    assert (found["verification_flux_min"], found["verification_flux_max"]) == (1, 1)


def test_verify_refuses_a_single_sample(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 2 samples"):
        verify.run(given_context(tmp_path, {"lightcurve": LightCurve([5.0], [1.0])}), verify.VerifySettings())


# --- multiply


@pytest.mark.parametrize("fixed", [True, False])
def test_multiply_drops_both_ends_and_the_second_input_wins(tmp_path: Path, fixed: bool) -> None:
    # Given two curves, the second sampled twice as finely
    first: LightCurve = steady(100, flux=2.0, metadata={"a": 1, "b": 1})
    if not fixed:
        first = first.truncate().select(np.ones(100, np.bool_))
    second = steady(220, step=12.5 * SECOND, flux=3.0, metadata={"b": 2})
    context = given_context(tmp_path, {"lightcurve_1": first, "lightcurve_2": second}, {"lightcurve": "p.gz"})
    # When multiplied
    metadata = multiply.run(context, multiply.MultiplySettings())
    # Then
    product = output(context)
    assert product.fluxes == pytest.approx(np.full(98, 6.0))
    assert product.times == pytest.approx(first.times[1:-1])
    assert metadata == {"a": 1, "b": 2}
    assert {"a": 1, "b": 2, "binary": False, "gzipped": True, "samples": 98}.items() <= context.outputs[
        0
    ].metadata.items()
    assert [verdict.passed for verdict in check_light_curves(context, metadata)] == [True]


def test_multiply_refuses_curves_that_do_not_overlap(tmp_path: Path) -> None:
    late = FixedStepLightCurve(500, 0.1, np.ones(50))
    context = given_context(tmp_path, {"lightcurve_1": steady(), "lightcurve_2": late}, {"lightcurve": "p.npz"})
    with pytest.raises(InputError, match="do not overlap"):
        multiply.run(context, multiply.MultiplySettings())


# --- binning


def test_binning_works_and_conserves_flux(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).normal(1, 0.01, 1000)
    curve = FixedStepLightCurve(3.0, 25 * SECOND, noise, time_system="BTJD", metadata={"mes": 7})
    context = given_context(tmp_path, {"lightcurve": curve}, {"lightcurve": "b.npz"})
    metadata = binning.run(context, binning.BinningSettings(cadence=250))
    binned = output(context)
    assert isinstance(binned, FixedStepLightCurve)
    assert binned.time_start == 3.0
    assert binned.time_step == pytest.approx(250 * SECOND)
    assert len(binned) == 100  # the last time is excluded
    assert (binned.time_system, metadata) == ("BTJD", {"mes": 7})
    # Ten samples a bin, a half one at each edge
    inner = [np.mean(noise[10 * k - 4 : 10 * k + 5]) for k in range(1, 100)]
    halves = [(noise[10 * k - 5] + noise[10 * k + 5]) / 2 for k in range(1, 99)]
    assert binned.fluxes[1:99] == pytest.approx([(9 * a + b) / 10 for a, b in zip(inner, halves, strict=False)])
    assert [verdict.passed for verdict in check_light_curves(context, metadata)] == [True]


def test_binning_leaves_the_ends_as_they_are(tmp_path: Path) -> None:
    context = given_context(tmp_path, {"lightcurve": steady(flux=500.0)}, {"lightcurve": "b.npz"})
    binning.run(context, binning.BinningSettings(cadence=100))
    assert output(context).fluxes == pytest.approx(np.full(25, 500.0))


def test_binning_refuses_a_cadence_longer_than_the_curve(tmp_path: Path) -> None:
    context = given_context(tmp_path, {"lightcurve": steady(10)}, {"lightcurve": "b.npz"})
    with pytest.raises(InputError, match="too long for a light curve"):
        binning.run(context, binning.BinningSettings(cadence=3600))


@pytest.mark.parametrize("settings", [{}, {"cadence": 0}, {"cadence": -5}, {"cadence": 5, "other": 1}])
def test_binning_needs_a_positive_cadence_and_nothing_else(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        binning.BinningSettings.model_validate(settings)


# --- detrend

PERIOD, EPOCH, DEPTH, DURATION = 3.0, 1.3, 0.004, 0.15


def spotted_star(cadence: float, *, noise: float = 2e-4, days: float = 27.0) -> LightCurve:
    """Make a star of 20,000 e/s with 0.3 % spots, transits, a flare, a gap and a flagged outlier."""
    times = 1325 + np.arange(0, days, cadence * SECOND)
    in_transit = abs((times - 1325 - EPOCH + PERIOD / 2) % PERIOD - PERIOD / 2) < DURATION / 2
    flux = (1 + 0.003 * np.sin(2 * np.pi * times / 11)) * (1 - DEPTH * in_transit)
    flux *= np.random.default_rng(7).normal(1, noise, len(times))
    flux[1000:1003] *= 1.05
    flags = np.arange(len(times)) == 500
    flux[flags] *= 0.5
    keep = (times < 1336) | (times > 1338)
    return LightCurve(
        times[keep],
        20_000 * flux[keep],
        uncertainties=np.full(int(keep.sum()), 20_000 * noise),
        flags=flags[keep],
        time_system="BTJD",
        metadata={"tic_id": 1},
    )


@pytest.fixture(scope="module")
def detrended(tmp_path_factory: pytest.TempPathFactory) -> TaskContext:
    directory = tmp_path_factory.mktemp("detrend")
    outputs = {"lightcurve": "flat.npz", "trend": "trend.npz"}
    context = given_context(directory, {"lightcurve": spotted_star(120)}, outputs)
    context.metadata.update(detrend.run(context, detrend.DetrendSettings()))
    return context


def test_detrend_takes_the_spots_out_and_leaves_the_transits_in(detrended: TaskContext) -> None:
    flat = output(detrended).good()
    phase = (flat.times - 1325 - EPOCH + PERIOD / 2) % PERIOD - PERIOD / 2
    inside, outside = abs(phase) < 0.4 * DURATION, abs(phase) > 0.7 * DURATION
    assert 1 - flat.fluxes[inside].mean() == pytest.approx(DEPTH, rel=0.03)
    assert flat.fluxes[outside].mean() == pytest.approx(1, abs=2e-5)
    assert flat.fluxes[outside].std() < 2 * 2e-4 / np.sqrt(5)


def test_detrend_bins_flags_and_says_what_it_did(detrended: TaskContext) -> None:
    flat = output(detrended)
    assert flat.sampling_interval() == pytest.approx(600 * SECOND)
    assert flat.time_system == "BTJD"
    assert detrended.metadata["detrend_clipped"] >= 3  # the flare
    assert detrended.metadata["detrend_scatter"] == pytest.approx(2e-4, rel=0.15)
    assert detrended.metadata["tic_id"] == 1
    assert flat.flags[(flat.times > 1336.01) & (flat.times < 1337.99)].all()
    assert flat.uncertainties[50] == pytest.approx(2e-4 / np.sqrt(5), rel=0.01)
    assert flat.uncertainties[100] == pytest.approx(2e-4 / np.sqrt(4), rel=0.01)  # the flagged sample is left out
    assert max(flat.good().fluxes) < 1.001


def test_detrend_writes_the_trend_in_the_unit_of_the_input(detrended: TaskContext) -> None:
    trend = output(detrended, "trend").good()
    expected = 20_000 * (1 + 0.003 * np.sin(2 * np.pi * trend.times / 11))
    assert np.median(abs(trend.fluxes / expected - 1)) < 1e-3


def test_quality_control_accepts_what_detrend_wrote(detrended: TaskContext) -> None:
    verdicts = check_light_curves(detrended, {})
    assert {verdict.slot: verdict.passed for verdict in verdicts} == {"lightcurve": True, "trend": True}


@pytest.mark.parametrize(("cadence", "bin_cadence"), [(1800, 600), (600, 600), (120, 0)])
def test_detrend_does_not_bin_up_nor_when_told_not_to(tmp_path: Path, cadence: float, bin_cadence: float) -> None:
    curve = spotted_star(cadence, days=12)
    context = given_context(tmp_path, {"lightcurve": curve}, {"lightcurve": "flat.npz"})
    detrend.run(context, detrend.DetrendSettings(bin_cadence=bin_cadence, upper_sigma=None))
    flat = output(context)
    assert flat.times.tolist() == curve.times.tolist()
    assert flat.flags.tolist() == curve.flags.tolist()
    assert [file.slot for file in context.outputs] == ["lightcurve"]


def test_detrend_clips_only_upward(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(1, 1e-4, 2000)
    noise[[700, 900]] = 1.01
    noise[[800, 1000]] = 0.99
    context = given_context(tmp_path, {"lightcurve": steady(2000, step=0.01)}, {"lightcurve": "flat.npz"})
    write_light_curve(FixedStepLightCurve(0, 0.01, noise), context.inputs["lightcurve"].path)
    detrend.run(context, detrend.DetrendSettings(bin_cadence=0))
    flags = output(context).flags
    assert flags[[700, 900]].all()
    assert not flags[[800, 1000]].any()


def test_detrend_gives_up_the_edges_when_asked(tmp_path: Path) -> None:
    context = given_context(tmp_path, {"lightcurve": spotted_star(600, days=8)}, {"lightcurve": "flat.npz"})
    detrend.run(context, detrend.DetrendSettings(edge_cutoff=0.3, bin_cadence=0))
    flat = output(context)
    assert flat.flags[flat.times < 1325.29].all()
    assert not flat.flags[(flat.times > 1325.35) & (flat.times < 1326)].any()


@pytest.mark.parametrize("settings", [{"method": "gp"}, {"window_length": 0}, {"upper_sigma": -1}, {"bin_cadence": -1}])
def test_detrend_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        detrend.DetrendSettings.model_validate(settings)


# --- Bad input, of whichever task


def test_a_curve_of_nothing_but_nan_is_an_input_error(tmp_path: Path) -> None:
    context = given_context(
        tmp_path,
        {"lightcurve": NAN_ONLY, "lightcurve_1": steady(), "lightcurve_2": NAN_ONLY},
        {"lightcurve": "out.npz"},
    )
    message = "none of the 10 samples is finite and unflagged"
    with pytest.raises(InputError, match=message):
        verify.run(context, verify.VerifySettings())
    with pytest.raises(InputError, match=message):
        detrend.run(context, detrend.DetrendSettings())
    with pytest.raises(InputError, match=message):
        binning.run(context, binning.BinningSettings(cadence=60))
    with pytest.raises(InputError, match=message):
        multiply.run(context, multiply.MultiplySettings())
    assert context.outputs == []


def test_an_unreadable_input_says_which_slot_and_why(tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match=r"input 'lightcurve': cut\.npz: broken npz file"):
        open_light_curve(given_context(tmp_path, {"lightcurve": tmp_path / "cut.npz"}), "lightcurve")
    with pytest.raises(InputError, match="declares no input 'lightcurve'"):
        open_light_curve(given_context(tmp_path, {}), "lightcurve")


def test_metadata_of_the_input_travel_but_those_of_its_file_do_not(tmp_path: Path) -> None:
    product: Metadata = {"mes": 7, "binary": False, "gzipped": True, "samples": 3, "time_system": "BTJD"}
    context = given_context(tmp_path, {"lightcurve": steady(metadata={"a": 1})}, metadata=product)
    curve = open_light_curve(context, "lightcurve")
    assert (curve.metadata, curve.time_system) == ({"a": 1, "mes": 7}, "BTJD")


def test_metadata_that_are_not_finite_are_never_handed_over(tmp_path: Path) -> None:
    context = given_context(tmp_path, {}, {"lightcurve": "a.gz"})
    with pytest.raises(OutputError, match="'mes' of the light curve is not finite"):
        light_curve_files.write_light_curve(context, "lightcurve", steady(metadata={"mes": float("nan")}))


# --- Quality control


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        (steady(), ""),
        (LightCurve([0, 1, 1], [1, 1, 1]), "do not strictly increase: see sample 2"),
        (LightCurve([0, 1, 2], [1, np.nan, 1]), "not finite are not flagged"),
        (LightCurve([0, 1], [1, 1], flags=[1, 1]), "no sample is finite"),
    ],
)
@pytest.mark.parametrize("name", ["a.npz", "a.gz"])
def test_quality_control_looks_into_the_file(tmp_path: Path, curve: LightCurve, reason: str, name: str) -> None:
    context = given_context(tmp_path, {}, {"lightcurve": name})
    light_curve_files.write_light_curve(context, "lightcurve", curve)
    verdict = check_light_curve_file(context.outputs[0])
    assert verdict.passed is not bool(reason)
    assert reason in verdict.reason
    assert verdict.slot == "lightcurve"


def test_quality_control_rejects_another_length_than_promised(tmp_path: Path) -> None:
    context = given_context(tmp_path, {}, {"lightcurve": "a.npz"})
    light_curve_files.write_light_curve(context, "lightcurve", steady(10), samples=12)
    verdict = check_light_curve_file(context.outputs[0])
    assert (verdict.passed, verdict.reason) == (False, "the light curve has 10 samples; 12 were promised")


def test_quality_control_rejects_what_does_not_read_back(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_text("0 one 0 0\n")
    assert not check_light_curve_file(OutputFile("lightcurve", tmp_path / "x.gz")).passed


def test_every_task_type_that_writes_light_curves_has_them_checked() -> None:
    assert {module.TASK_TYPE.check for module in (binning, detrend, multiply)} == {check_light_curves}


def test_reading_a_task_module_for_its_settings_imports_no_science() -> None:
    """Only a new process has imported nothing yet."""
    modules = (
        *("binning", "detrend", "ingest_external_lcs", "multiply", "verify"),
        *("synthesis_platosim", "synthesis_psls", "transit_search_dst_v29"),
    )
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module('eas_worker.tasks.' + name)\n"
        "    print(name, sorted({'numpy', 'astropy', 'wotan', 'numba', 'scipy'} & set(sys.modules)))\n"
    )
    root = Path(__file__).resolve().parents[3]
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert shown.stdout.splitlines() == [f"{name} []" for name in modules]

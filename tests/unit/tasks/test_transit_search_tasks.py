"""The task types that search for transits: what they search, publish, write and let pass."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from eas.authoring.errors import InputError
from eas.authoring.task_type import InputFile, TaskContext, TaskType
from eas.contracts.metadata import Metadata
from eas.contracts.values import find_value_fault
from eas.lightcurve import LightCurve, write_light_curve
from eas_worker.science.synthesis import PlanetarySystem, transit_model, white_noise
from eas_worker.tasks.search_archive import read_periodogram
from eas_worker.tasks.synthesis_batman import TASK_TYPE as SYNTHESIS
from eas_worker.tasks.transit_search_bls_kovacs import TASK_TYPE as KOVACS
from eas_worker.tasks.transit_search_bls_reference import TASK_TYPE as BLS
from eas_worker.tasks.transit_search_qats import TASK_TYPE as QATS
from eas_worker.tasks.transit_search_tls import TASK_TYPE as TLS
from eas_worker.tasks.transit_searches import find_fault

ALL = pytest.mark.parametrize("task_type", [BLS, KOVACS, TLS, QATS], ids=["bls", "kovacs", "tls", "qats"])
INJECTED = {
    "orbital_period": 3.3,
    "t0": 1.0,
    "integrated_transit_power": 0.1,
    "pixels_in_transit": 55,
    "pixels_out_of_transit": 1241,
    "mes": 100.0,
    "injected_depth": 1.3e-3,
}


def planet(*, start: float = 0.0, days: float = 27.0, metadata: Metadata | None = None) -> LightCurve:
    """A curve with a planet of 3.3 d, every 30 minutes, noise of 200 ppm."""
    times = np.arange(round(days * 48), dtype=np.float64) / 48
    model = transit_model(PlanetarySystem(9.728, 0.35, 3.3, 0.05, t0=1.0), times)
    return LightCurve(
        times + start,
        model + white_noise(times.size, 2e-4, seed=8),
        metadata=INJECTED if metadata is None else metadata,
    )


def prepare(directory: Path, curve: LightCurve, *, debugging: bool = False) -> TaskContext:
    path = directory / "in.npz"
    write_light_curve(curve, path)
    return TaskContext(
        directory=directory,
        inputs={"lightcurve": InputFile(path, curve.metadata)},
        output_names={"debugging": "search.tar.gz"} if debugging else {},
    )


def search(task_type: TaskType, context: TaskContext, lc_duration: float = 100.0, **settings: Any) -> Metadata:
    if task_type is QATS:
        settings = {"period_min": 2.0, **settings}
    chosen = task_type.settings.model_validate({"lc_duration": lc_duration, "search_settings": settings})
    metadata = task_type.run(context, chosen)
    assert find_value_fault(metadata) is None
    json.dumps(metadata)  # plain numbers only
    assert task_type.check is not None
    assert all(verdict.passed for verdict in task_type.check(context, metadata))
    return metadata


@ALL
def test_a_planet_is_found_and_judged(task_type: TaskType, tmp_path: Path) -> None:
    metadata = search(task_type, prepare(tmp_path, planet()))

    assert metadata["outcome"] == "PASS"
    assert metadata["target_period"] == 3.3
    assert metadata["period"] == pytest.approx(3.3, rel=3e-3)
    assert metadata["epoch"] == pytest.approx(1.0, abs=0.03)
    assert (metadata["epoch_agrees"], metadata["depth_agrees"], metadata["period_alias"]) == (True, True, "none")
    assert metadata["transit_count"] == 8
    for keyword in ("integrated_transit_power", "pixels_in_transit", "pixels_out_of_transit", "mes"):
        assert metadata[keyword] == INJECTED[keyword]


def test_each_search_publishes_its_own_numbers(tmp_path: Path) -> None:
    bls, kovacs, tls, qats = (search(task_type, prepare(tmp_path, planet())) for task_type in (BLS, KOVACS, TLS, QATS))

    assert {"period", "power", "sde", "snr", "transit_depth"} <= bls.keys()
    assert {"period", "power", "sde", "snr", "transit_depth", "depth"} <= kovacs.keys()
    assert kovacs["depth"] == kovacs["transit_depth"]
    assert {"period", "power", "sde", "snr", "transit_depth", "depth", "ttv_max"} <= qats.keys()
    assert (qats["transit_count"], qats["period_span"]) == (8, 7)
    assert qats["first_transit"] == qats["epoch"] == pytest.approx(1.0, abs=0.02)
    assert qats["last_transit"] == pytest.approx(1.0 + 7 * 3.3, abs=0.03)
    assert qats["period"] == pytest.approx((qats["last_transit"] - qats["first_transit"]) / 7)
    assert {"period", "depth", "duration", "sde", "snr", "transit_count", "transit_depth"} <= tls.keys()
    assert tls["depth"] == pytest.approx(1 - tls["transit_depth"])


@ALL
def test_a_curve_in_btjd_is_searched_from_its_first_sample_on(task_type: TaskType, tmp_path: Path) -> None:
    # Given 54 d of data that start at 1325 d, of which the first 27 are to be searched
    context = prepare(tmp_path, planet(start=1325.0, days=54, metadata={}))

    metadata = search(task_type, context, lc_duration=27.0)

    assert metadata["searched_samples"] == 27 * 48
    assert metadata["epoch"] == pytest.approx(1326.0, abs=0.03)
    assert metadata["search_period_max"] <= 13.5
    assert metadata["outcome"] == "UNDEFINED"
    assert "target_period" not in metadata


@ALL
def test_flagged_and_nan_samples_are_left_out(task_type: TaskType, tmp_path: Path) -> None:
    # Given a planet, and artefacts ten times as deep that repeat every 2 d: flagged ones, and NaN
    curve = planet()
    fluxes, flags = curve.fluxes.copy(), np.zeros(len(curve), np.bool_)
    dirty = (curve.times % 2.0) < 0.1
    fluxes[dirty] = 0.99
    flags[dirty] = True
    fluxes[5::100] = np.nan
    dirty_curve = LightCurve(curve.times, fluxes, flags=flags, metadata=INJECTED)

    metadata = search(task_type, prepare(tmp_path, dirty_curve))

    assert metadata["outcome"] == "PASS"
    assert metadata["searched_samples"] < len(curve) - dirty.sum()


@ALL
def test_without_injected_transits_the_outcome_is_undefined(task_type: TaskType, tmp_path: Path) -> None:
    null = {**INJECTED, "integrated_transit_power": 0.0, "pixels_in_transit": 0, "mes": 0.0}

    metadata = search(task_type, prepare(tmp_path, planet(metadata=null)))

    assert metadata["outcome"] == "UNDEFINED"
    assert metadata["mes"] == 0


@ALL
def test_no_detection_of_an_injected_planet_is_a_fail_and_no_error(task_type: TaskType, tmp_path: Path) -> None:
    curve = planet()
    flat = LightCurve(curve.times, np.ones(len(curve)), metadata=INJECTED)

    metadata = search(task_type, prepare(tmp_path, flat))

    assert (metadata["outcome"], metadata["transit_count"]) == ("FAIL", 0)
    assert "period" not in metadata


@ALL
def test_a_curve_without_a_finite_sample_is_an_input_error(task_type: TaskType, tmp_path: Path) -> None:
    curve = LightCurve(np.arange(100.0), np.full(100, np.nan))

    with pytest.raises(InputError, match="none of the 100 samples"):
        search(task_type, prepare(tmp_path, curve))


@ALL
def test_a_period_beyond_the_span_is_an_input_error(task_type: TaskType, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"spans 26\.97.*period_min is 90 d"):
        search(task_type, prepare(tmp_path, planet()), period_min=90.0)


@ALL
def test_lc_duration_is_mandatory_and_positive(task_type: TaskType) -> None:
    for settings in ({}, {"lc_duration": 0}, {"lc_duration": -1}, {"lc_duration": 9, "period": 3}):
        with pytest.raises(ValidationError):
            task_type.settings.model_validate(settings)


@pytest.mark.parametrize(
    ("task_type", "settings"),
    [
        (BLS, {"period_min": 0.1}),
        (BLS, {"period_min": 5, "period_max": 4}),
        (BLS, {"duration_min": 0.3}),
        (BLS, {"unknown": 1}),
        (KOVACS, {"qmin": 0.3}),
        (KOVACS, {"qmax": 1.0}),
        (KOVACS, {"phase_bins": 2}),
        (KOVACS, {"period_min": 5, "period_max": 4}),
        (QATS, {"period_min": 0.1}),
        (QATS, {"period_max": 3}),
        (QATS, {"duration_min": 0.3}),
        (QATS, {"min_transit_count": 1}),
        (QATS, {"max_ttv_mag": 0}),
        (TLS, {"period_min": 5, "period_max": 4}),
        (TLS, {"star_radius": 0}),
        (TLS, {"limb_darkening": [0.3]}),
    ],
)
def test_impossible_search_settings_are_refused(task_type: TaskType, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        task_type.settings.model_validate({"lc_duration": 10, "search_settings": settings})


@pytest.mark.slow
@ALL
def test_the_archive_is_written_on_demand_only(task_type: TaskType, tmp_path: Path) -> None:
    silent = prepare(tmp_path, planet())
    search(task_type, silent)
    assert silent.outputs == []

    context = prepare(tmp_path, planet(), debugging=True)
    metadata = search(task_type, context, period_min=1.0)

    path = context.outputs[0].path
    with tarfile.open(path) as archive:
        own = ["s_table.csv", "transits.csv"] if task_type is QATS else []
        assert sorted(archive.getnames()) == sorted(["log.txt", "periodogram.csv", "settings.json", *own])
        described = json.load(archive.extractfile("settings.json") or io.BytesIO())
    assert described["settings"]["search_settings"]["period_min"] == 1.0
    assert described["results"]["period"] == metadata["period"]
    periodogram = read_periodogram(path)
    peak = periodogram.periods[periodogram.power.argmax()]
    assert peak == pytest.approx(metadata["period"], rel=1 / 48 if task_type is QATS else 1e-9)


def test_the_archive_of_qats_lists_every_sum_and_the_transits(tmp_path: Path) -> None:
    context = prepare(tmp_path, planet(), debugging=True)
    metadata = search(QATS, context)

    with tarfile.open(context.outputs[0].path) as archive:
        sums, transits = (
            np.loadtxt(io.TextIOWrapper(archive.extractfile(name) or io.BytesIO()), delimiter=",", skiprows=1)
            for name in ("s_table.csv", "transits.csv")
        )

    assert (np.diff(sums[:, 3]) <= 0).all()
    assert sums[0] == pytest.approx([metadata["duration"], *sums[0, 1:3], metadata["power"]], rel=1e-9)
    assert sums[0, 1] <= metadata["period"] <= sums[0, 2]
    assert transits[:, 0].tolist() == list(range(8))
    assert transits[:, 1] == pytest.approx(1.0 + 3.3 * np.arange(8), abs=1 / 48)


def test_the_archive_is_the_same_to_the_byte(tmp_path: Path) -> None:
    def archive() -> bytes:
        context = prepare(tmp_path, planet(), debugging=True)
        search(BLS, context)
        return context.outputs[0].path.read_bytes()

    assert archive() == archive()


def synthesise(directory: Path, **specs: Any) -> TaskContext:
    """Run `synthesis_batman` and give its output to a search."""
    context = TaskContext(directory=directory, inputs={}, output_names={"lightcurve": "in.npz"}, seed=3)
    written = SYNTHESIS.run(context, SYNTHESIS.settings.model_validate({"specs": specs}))
    inputs = {"lightcurve": InputFile(context.outputs[0].path, written)}
    return TaskContext(directory=directory, inputs=inputs, output_names={})


#: An acceptance case of the original's predecessor: 15 d, MES 31.
FIFTEEN_DAYS = {
    "duration": 60,
    "orbital_period": 15,
    "semi_major_axis": 0.12,
    "planet_radius": 0.3,
    "noise": 0.00162,
    "sampling_cadence": 1800,
}


@ALL
def test_a_planet_of_fifteen_days_passes(task_type: TaskType, tmp_path: Path) -> None:
    coarse = {"frequency_factor": 8.0} if task_type in (BLS, KOVACS) else {}

    metadata = search(task_type, synthesise(tmp_path, **FIFTEEN_DAYS), **coarse)

    assert metadata["mes"] == pytest.approx(31, abs=1)
    assert (metadata["outcome"], metadata["period_alias"]) == ("PASS", "none")
    assert (metadata["epoch_agrees"], metadata["depth_agrees"]) == (True, True)


@pytest.mark.slow
@ALL
def test_a_planet_seen_from_its_pole_never_passes(task_type: TaskType, tmp_path: Path) -> None:
    # The null variant of that case: all settings of a planet, but no transits.
    coarse = {"frequency_factor": 8.0} if task_type in (BLS, KOVACS) else {}

    metadata = search(task_type, synthesise(tmp_path, **FIFTEEN_DAYS, orbital_angle=90), **coarse)

    assert metadata["mes"] == 0
    assert metadata["outcome"] == "UNDEFINED"
    assert "target_period" not in metadata


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_a_broken_archive_is_an_input_error_and_fails_quality_control(tmp_path: Path, content: bytes) -> None:
    context = prepare(tmp_path, planet(), debugging=True)
    metadata = search(BLS, context)
    context.outputs[0].path.write_bytes(content)

    with pytest.raises(InputError, match="expected a transit search's archive"):
        read_periodogram(context.outputs[0].path)
    assert BLS.check is not None
    verdicts = {verdict.slot: verdict.passed for verdict in BLS.check(context, metadata)}
    assert verdicts == {None: True, "debugging": False}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"period": 30.0}, "outside the searched range"),
        ({"period": 0.1}, "outside the searched range"),
        ({"duration": 5.0}, "not between 0 and the period"),
        ({"transit_depth": -0.1}, "not between 0 and 1"),
        ({"sde": float("nan")}, "sde is not finite"),
        ({"outcome": "MAYBE"}, "expected PASS, FAIL or UNDEFINED"),
    ],
)
def test_quality_control_rejects_impossible_results(change: Metadata, reason: str) -> None:
    sound: Metadata = {
        "outcome": "PASS",
        "period": 3.0,
        "duration": 0.1,
        "transit_depth": 0.01,
        "sde": 9.0,
        "search_period_min": 0.5,
        "search_period_max": 10.0,
    }
    assert find_fault(sound) == ""

    assert reason in find_fault({**sound, **change})


def test_reading_the_settings_loads_no_science() -> None:
    """The supervisor imports task modules for their settings alone. Only a new process has imported nothing yet."""
    modules = (
        *("synthesis_batman", "transit_search_bls_kovacs", "transit_search_bls_reference", "transit_search_qats"),
        *("transit_search_tls", "transit_report", "error"),
    )
    heavy = ("numpy", "scipy", "astropy", "matplotlib", "batman", "numba", "transitleastsquares")
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module('eas_worker.tasks.' + name).TASK_TYPE.settings.model_json_schema()\n"
        f"    print(name, [heavy for heavy in {heavy!r} if heavy in sys.modules])\n"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.splitlines() == [f"{name} []" for name in modules]

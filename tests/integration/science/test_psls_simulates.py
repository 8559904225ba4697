"""PSLS itself, where it is installed: it runs, its noise follows `nsr`, and equal seeds give equal bits."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eas.authoring.task_type import TaskContext
from eas.contracts.metadata import Metadata
from eas.lightcurve import LightCurve, read_light_curve
from eas_worker.tasks.psls_program import DEFAULT_DATA
from eas_worker.tasks.synthesis_psls import TASK_TYPE

if importlib.util.find_spec("psls") is None:
    pytest.skip("PSLS is not installed: make psls", allow_module_level=True)


@pytest.fixture(autouse=True)
def data() -> None:
    if not (DEFAULT_DATA / "models").is_dir():
        pytest.skip("the data of PSLS are not installed: make psls")


def simulate(folder: Path, **specs: Any) -> tuple[LightCurve, Metadata, bytes]:
    folder.mkdir()
    context = TaskContext(folder, {}, {"lightcurve": "lc.npz"}, seed=11)
    metadata = TASK_TYPE.run(context, TASK_TYPE.settings.model_validate({"specs": {"duration": 10, **specs}}))
    assert TASK_TYPE.check is not None
    assert [verdict.passed for verdict in TASK_TYPE.check(context, metadata)] == [True]
    path = context.outputs[0].path
    return read_light_curve(path), metadata, path.read_bytes()


def point_to_point(curve: LightCurve) -> float:
    """Measure the noise by the differences of neighbours, which the star's slow variation does not reach."""
    return float(np.std(np.diff(curve.good().fluxes))) / 2**0.5


@pytest.mark.parametrize("mode", ["main_sequence", "red_giant"])
def test_noise_follows_nsr(tmp_path: Path, mode: str) -> None:
    for number, nsr in enumerate((73.0, 730.0)):
        curve, metadata, _ = simulate(tmp_path / str(number), mode=mode, nsr=nsr, enable_transits=False)
        assert len(curve) == 34_560
        assert point_to_point(curve) == pytest.approx(metadata["noise_per_sample"], rel=0.03)
        assert metadata["noise_per_sample"] == pytest.approx(nsr * 1e-6 * 12 / 24**0.5)


def test_equal_seeds_give_equal_bits_and_others_do_not(tmp_path: Path) -> None:
    specs = {"orbital_period": 3, "semi_major_axis": 0.04, "t0": 1, "sampling_cadence": 600, "seed": 5}
    first, again, other = (
        simulate(tmp_path / name, **specs | changed)[2] for name, changed in (("a", {}), ("b", {}), ("c", {"seed": 6}))
    )
    assert first == again
    assert first != other


def test_transits_are_where_t0_says_even_beyond_the_first_period(tmp_path: Path) -> None:
    specs = {"planet_radius": 1, "orbital_period": 3, "semi_major_axis": 0.04, "t0": 4, "sampling_cadence": 600}
    curve, metadata, _ = simulate(tmp_path / "a", **specs, enable_random_noise=False)
    phases = (curve.times - 4 + 1.5) % 3 - 1.5
    inside = abs(phases) < 0.02
    depth = float(np.median(curve.fluxes[~(abs(phases) < 0.2)]) - np.median(curve.fluxes[inside]))
    assert depth == pytest.approx(metadata["injected_depth"], rel=0.05)
    assert metadata["mes"] > 100


def test_systematics_and_mask_updates_run_on_several_quarters(tmp_path: Path) -> None:
    fixed, updated = (
        simulate(
            tmp_path / str(updates),
            duration=100,
            sampling_cadence=600,
            enable_systematics=True,
            mask_updates=updates,
            number_camera_groups=1,
            number_cameras_per_group=2,
        )[0]
        for updates in (False, True)
    )
    assert len(fixed) == len(updated) == 14_400
    assert fixed.flags.sum() == 2  # where the two quarters begin
    assert updated.flags.sum() > 2

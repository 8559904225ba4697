"""The task type `synthesis_batman`: its files, its metadata, its settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from eas.authoring.errors import InputError
from eas.authoring.task_type import TaskContext
from eas.contracts.metadata import Metadata
from eas.lightcurve import read_light_curve
from eas_worker.tasks.synthesis_batman import TASK_TYPE

HOT_JUPITER = {
    "duration": 20,
    "orbital_period": 4,
    "semi_major_axis": 0.05,
    "planet_radius": 0.5,
    "noise": 0.000315,
    "sampling_cadence": 900,
}


@pytest.fixture
def synthesise(tmp_path: Path) -> Callable[..., tuple[Metadata, Path]]:
    def run(*, task_seed: int = 7, name: str = "curve.npz", **specs: Any) -> tuple[Metadata, Path]:
        context = TaskContext(directory=tmp_path, inputs={}, output_names={"lightcurve": name}, seed=task_seed)
        metadata = TASK_TYPE.run(context, TASK_TYPE.settings.model_validate({"specs": {**HOT_JUPITER, **specs}}))
        assert TASK_TYPE.check is not None
        assert [verdict.passed for verdict in TASK_TYPE.check(context, metadata)] == [True]
        assert metadata.items() <= context.outputs[0].metadata.items()
        return metadata, context.outputs[0].path

    return run


def test_metadata_hold_the_specs_and_the_strength_of_the_signal(
    synthesise: Callable[..., tuple[Metadata, Path]],
) -> None:
    metadata, _ = synthesise()

    assert metadata["mes"] == pytest.approx(390.57969959962395, rel=1e-12)
    assert metadata["integrated_transit_power"] == pytest.approx(0.15207237030620302, rel=1e-12)
    assert (metadata["pixels_in_transit"], metadata["pixels_out_of_transit"]) == (55, 1865)
    assert metadata["orbital_period"] == 4
    assert metadata["star_radius"] == pytest.approx(9.728361215, rel=1e-9)
    assert (metadata["t0"], metadata["eccentricity"], metadata["orbital_angle"], metadata["seed"]) == (1, 0, 0, 7)
    assert "impact_parameter" not in metadata
    assert "mes_assume_noise" not in metadata


@pytest.mark.parametrize("name", ["curve.npz", "curve.gz"])
def test_the_file_holds_the_samples(synthesise: Callable[..., tuple[Metadata, Path]], name: str) -> None:
    _, path = synthesise(name=name)

    curve = read_light_curve(path)

    assert len(curve) == 1920
    np.testing.assert_allclose(curve.times, np.arange(1920) / 96, atol=1e-12)
    assert curve.fluxes.min() < 0.998
    assert np.std(curve.fluxes[curve.fluxes > 0.999]) == pytest.approx(0.000315 / 6, rel=0.1)


def test_noise_is_reproducible_to_the_bit(synthesise: Callable[..., tuple[Metadata, Path]]) -> None:
    def fluxes(**arguments: Any) -> bytes:
        return read_light_curve(synthesise(**arguments)[1]).fluxes.tobytes()

    assert fluxes(task_seed=1) == fluxes(task_seed=1)
    assert fluxes(task_seed=1) != fluxes(task_seed=2)


def test_a_seed_in_the_specs_wins_over_that_of_the_task(synthesise: Callable[..., tuple[Metadata, Path]]) -> None:
    metadata, path = synthesise(task_seed=7, seed=1)
    own = read_light_curve(path).fluxes.tobytes()

    assert metadata["seed"] == 1
    assert own == read_light_curve(synthesise(task_seed=1)[1]).fluxes.tobytes()
    assert own != read_light_curve(synthesise(task_seed=7)[1]).fluxes.tobytes()


def test_no_planet_gives_no_signal_but_keeps_the_period(synthesise: Callable[..., tuple[Metadata, Path]]) -> None:
    metadata, _ = synthesise(planet_radius=0)

    assert (metadata["mes"], metadata["integrated_transit_power"], metadata["pixels_in_transit"]) == (0, 0, 0)
    assert metadata["pixels_out_of_transit"] == 1920
    assert metadata["orbital_period"] == 4


def test_an_impact_parameter_overrides_the_angle(synthesise: Callable[..., tuple[Metadata, Path]]) -> None:
    metadata, _ = synthesise(impact_parameter=0.5, orbital_angle=80)

    assert metadata["impact_parameter"] == 0.5
    assert metadata["orbital_angle"] == pytest.approx(np.degrees(np.arcsin(0.5 * 695_500e3 / (0.05 * 149_597_870_700))))


def test_noise_may_be_assumed_for_the_mes_alone(synthesise: Callable[..., tuple[Metadata, Path]]) -> None:
    metadata, path = synthesise(noise=0, mes_assume_noise=0.000315)

    assert metadata["mes"] == pytest.approx(390.57969959962395, rel=1e-12)
    assert read_light_curve(path).fluxes.max() == 1


@pytest.mark.parametrize(
    "specs",
    [
        {"axis": 1},
        {"duration": 0},
        {"sampling_cadence": -1},
        {"eccentricity": 1},
        {"planet_radius": "big"},
        {"seed": -1},
    ],
)
def test_bad_specs_are_settings_errors(specs: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"specs.{next(iter(specs))}"):
        TASK_TYPE.settings.model_validate({"specs": specs})


def test_an_orbit_inside_the_star_is_an_input_error(synthesise: Callable[..., tuple[Metadata, Path]]) -> None:
    with pytest.raises(InputError, match="touches the star"):
        synthesise(semi_major_axis=0.004)

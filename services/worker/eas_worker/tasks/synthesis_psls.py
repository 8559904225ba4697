"""`synthesis_psls`: simulate a pulsating, granulated, active star with a transiting planet (PSLS, batman)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from eas.authoring.errors import OutputError
from eas.authoring.light_curve_files import check_light_curves, write_light_curve
from eas.authoring.task_type import Slot, TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata
from eas_worker.tasks.psls_program import LIMB_DARKENING, Simulation, simulate
from eas_worker.tasks.synthesis_batman import SUN_IN_JUPITERS

if TYPE_CHECKING:
    from eas_worker.science.synthesis import PlanetarySystem

#: PSLS's seeds are below this.
SEEDS = 2**32
SECONDS_PER_DAY = 86400.0


class PslsSpecs(TaskSettings):
    """What to synthesise."""

    mode: Literal["main_sequence", "red_giant"] = Field(
        default="main_sequence", description="Star model: 16 Cyg B (V = 10), or the red giant KIC 9882316 (V = 12.5)."
    )
    duration: float = Field(default=730.0, gt=0, le=4000, description="Length of the curve [d].")
    t0: float = Field(default=1.0, description="Time of inferior conjunction [d].")
    enable_transits: bool = Field(default=True, description="Whether the planet transits.")
    eccentricity: float = Field(default=0.0, ge=0, lt=1, description="The longitude of periastron is 90 deg.")
    star_radius: float = Field(
        default=SUN_IN_JUPITERS, gt=0, description="Stellar radius [Jupiter radii], for the transits."
    )
    planet_radius: float = Field(default=1.0, ge=0, description="Planet radius [Jupiter radii]; 0 for no transits.")
    orbital_period: float = Field(default=365.0, gt=0, description="Period [d]; not derived from the axis.")
    semi_major_axis: float = Field(default=1.0, gt=0, description="Semi-major axis [AU].")
    orbital_angle: float = Field(default=0.0, ge=-90, le=90, description="Angle of the orbit from edge-on [deg].")
    impact_parameter: float | None = Field(
        default=None, ge=0, description="Impact parameter [stellar radii]; overrides orbital_angle."
    )
    nsr: float = Field(default=73.0, ge=0, description="Random noise to signal of one camera [ppm sqrt(hour)].")
    sampling_cadence: float = Field(
        default=25.0, ge=1, description="Time between samples [s]; with systematics a multiple of 25."
    )
    mask_updates: bool = Field(default=False, description="Whether systematics have updates of the photometric mask.")
    enable_systematics: bool = Field(default=False, description="Whether there are systematic errors.")
    enable_random_noise: bool = Field(default=True, description="Whether there is random noise.")
    number_camera_groups: int = Field(default=4, ge=1, le=4, description="Groups of cameras that see the star.")
    number_cameras_per_group: int = Field(default=6, ge=1, le=6, description="Cameras in each group.")
    seed: int | None = Field(
        default=None, ge=0, lt=SEEDS, description="Seed of PSLS; default: derived from the task's own seed."
    )

    @model_validator(mode="after")
    def _check_cadence(self) -> Self:
        if self.enable_systematics and self.sampling_cadence % 25:
            raise ValueError(
                f"with systematics sampling_cadence must be a multiple of 25 s, not {self.sampling_cadence}"
            )
        return self


class PslsSettings(TaskSettings):
    """Settings of `synthesis_psls`."""

    specs: PslsSpecs = Field(default=PslsSpecs(), description="Parameters of the star, planet and sampling.")


def run(context: TaskContext, settings: PslsSettings) -> Metadata:
    """Have PSLS simulate the star, and multiply it by the transits; the metadata hold all specs, and their strength."""
    import numpy as np

    from eas.lightcurve import FixedStepLightCurve
    from eas_worker.science import synthesis

    specs = settings.specs
    seed = context.seed % SEEDS if specs.seed is None else specs.seed
    count = synthesis.sample_count(specs.duration, specs.sampling_cadence)
    step = specs.sampling_cadence / SECONDS_PER_DAY
    angle = specs.orbital_angle
    model = np.ones(count)
    if specs.enable_transits:
        system = make_system(specs)
        angle = system.orbital_angle
        model = synthesis.transit_model(system, np.arange(count, dtype=np.float64) * step)
    sigma = noise_per_sample(specs)
    signal = synthesis.measure_signal(model, sigma)
    star = simulate(context, make_simulation(specs, seed=seed, duration=count * step))
    if len(star.fluxes) < count:
        raise OutputError(f"PSLS simulated {len(star.fluxes)} samples; {count} were asked for")
    metadata: Metadata = {
        **specs.model_dump(exclude_none=True),
        "orbital_angle": angle,
        "seed": seed,
        "psls_version": star.version,
        "noise_per_sample": sigma if specs.enable_random_noise else 0.0,
        "integrated_transit_power": signal.power,
        "pixels_in_transit": signal.pixels_in,
        "pixels_out_of_transit": signal.pixels_out,
        "injected_depth": signal.depth,
        "mes": signal.mes,
    }
    curve = FixedStepLightCurve(0.0, step, star.fluxes[:count] * model, flags=star.flags[:count], metadata=metadata)
    write_light_curve(context, "lightcurve", curve)
    return metadata


def make_system(specs: PslsSpecs) -> PlanetarySystem:
    """Describe the star and its planet, with the limb darkening of PSLS."""
    from eas_worker.science import synthesis

    angle = specs.orbital_angle
    if specs.impact_parameter is not None:
        angle = synthesis.angle_of_impact_parameter(
            specs.impact_parameter, star_radius=specs.star_radius, semi_major_axis=specs.semi_major_axis
        )
    return synthesis.PlanetarySystem(
        star_radius=specs.star_radius,
        planet_radius=specs.planet_radius,
        orbital_period=specs.orbital_period,
        semi_major_axis=specs.semi_major_axis,
        t0=specs.t0,
        eccentricity=specs.eccentricity,
        orbital_angle=angle,
        limb_darkening=LIMB_DARKENING,
    )


def make_simulation(specs: PslsSpecs, *, seed: int, duration: float) -> Simulation:
    """Say what PSLS is to do."""
    return Simulation(
        mode=specs.mode,
        duration=duration,
        cadence=specs.sampling_cadence,
        nsr=specs.nsr,
        seed=seed,
        random_noise=specs.enable_random_noise,
        systematics=specs.enable_systematics,
        mask_updates=specs.mask_updates,
        groups=specs.number_camera_groups,
        cameras=specs.number_cameras_per_group,
    )


def noise_per_sample(specs: PslsSpecs) -> float:
    """Turn the noise of one camera in an hour into the relative one of a sample, averaged over all cameras."""
    cameras = specs.number_camera_groups * specs.number_cameras_per_group
    return specs.nsr * 1e-6 * math.sqrt(3600 / specs.sampling_cadence / cameras)


TASK_TYPE = TaskType(
    name="synthesis_psls",
    version="1",
    run=run,
    settings=PslsSettings,
    outputs=(Slot("lightcurve"),),
    check=check_light_curves,
)

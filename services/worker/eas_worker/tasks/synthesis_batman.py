"""`synthesis_batman`: simulate the light curve of a star with a transiting planet and white noise."""

from __future__ import annotations

from pydantic import Field

from eas.authoring.light_curve_files import check_light_curves, write_light_curve
from eas.authoring.task_type import Example, Slot, TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import Metadata

#: Radius of the Sun in Jupiter radii.
SUN_IN_JUPITERS = 695_500e3 / 71_492e3


class BatmanSpecs(TaskSettings):
    """What to synthesise."""

    duration: float = Field(default=730.0, gt=0, description="Length of the curve [d].")
    t0: float = Field(default=1.0, description="Time of inferior conjunction [d].")
    eccentricity: float = Field(default=0.0, ge=0, lt=1, description="The longitude of periastron is 90 deg.")
    star_radius: float = Field(default=SUN_IN_JUPITERS, gt=0, description="Stellar radius [Jupiter radii].")
    planet_radius: float = Field(default=1.0, ge=0, description="Planet radius [Jupiter radii]; 0 for no transits.")
    orbital_period: float = Field(default=365.0, gt=0, description="Period [d]; not derived from the axis.")
    semi_major_axis: float = Field(default=1.0, gt=0, description="Semi-major axis [AU].")
    orbital_angle: float = Field(default=0.0, ge=-90, le=90, description="Angle of the orbit from edge-on [deg].")
    impact_parameter: float | None = Field(
        default=None, ge=0, description="Impact parameter [stellar radii]; overrides orbital_angle."
    )
    noise: float = Field(default=0.0, ge=0, description="Gaussian noise, relative, per 25-s sample.")
    mes_assume_noise: float | None = Field(
        default=None, ge=0, description="Noise assumed for the multiple-event statistic alone; default: noise."
    )
    sampling_cadence: float = Field(default=25.0, gt=0, description="Time between samples [s].")
    threads: int = Field(default=1, ge=1, description="Threads for the transit model.")
    seed: int | None = Field(default=None, ge=0, description="Seed of the noise; default: the task's own.")


class SynthesisSettings(TaskSettings):
    """Settings of `synthesis_batman`."""

    specs: BatmanSpecs = Field(default=BatmanSpecs(), description="Parameters of the star, planet and sampling.")


def run(context: TaskContext, settings: SynthesisSettings) -> Metadata:
    """Synthesise a light curve; its metadata hold all specs, and how strong the injected transits are."""
    import numpy as np

    from eas.lightcurve import FixedStepLightCurve
    from eas_worker.science import synthesis
    from eas_worker.science.constants import SECONDS_PER_DAY

    specs = settings.specs
    angle = specs.orbital_angle
    if specs.impact_parameter is not None:
        angle = synthesis.angle_of_impact_parameter(
            specs.impact_parameter, star_radius=specs.star_radius, semi_major_axis=specs.semi_major_axis
        )
    system = synthesis.PlanetarySystem(
        star_radius=specs.star_radius,
        planet_radius=specs.planet_radius,
        orbital_period=specs.orbital_period,
        semi_major_axis=specs.semi_major_axis,
        t0=specs.t0,
        eccentricity=specs.eccentricity,
        orbital_angle=angle,
    )
    count = synthesis.sample_count(specs.duration, specs.sampling_cadence)
    step = specs.sampling_cadence / SECONDS_PER_DAY
    model = synthesis.transit_model(system, np.arange(count, dtype=np.float64) * step, threads=specs.threads)
    assumed = specs.noise if specs.mes_assume_noise is None else specs.mes_assume_noise
    signal = synthesis.measure_signal(model, synthesis.noise_per_sample(assumed, specs.sampling_cadence))
    seed = context.seed if specs.seed is None else specs.seed
    if specs.noise > 0:
        model += synthesis.white_noise(
            count, synthesis.noise_per_sample(specs.noise, specs.sampling_cadence), seed=seed
        )
    metadata: Metadata = {
        **specs.model_dump(exclude_none=True),
        "orbital_angle": angle,
        "seed": seed,
        "integrated_transit_power": signal.power,
        "pixels_in_transit": signal.pixels_in,
        "pixels_out_of_transit": signal.pixels_out,
        "injected_depth": signal.depth,
        "mes": signal.mes,
    }
    curve = FixedStepLightCurve(0.0, step, model, metadata=metadata)
    write_light_curve(context, "lightcurve", curve, samples=count)
    return metadata


TASK_TYPE = TaskType(
    name="synthesis_batman",
    version="1",
    run=run,
    settings=SynthesisSettings,
    outputs=(Slot("lightcurve"),),
    check=check_light_curves,
    example=Example(settings={"specs": {"duration": 20, "sampling_cadence": 900, "noise": 0.001}}),
)

"""Light curves of a star with one transiting planet and white noise."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from eas.authoring.errors import InputError
from eas_worker.science.constants import (
    ASTRONOMICAL_UNIT,
    JUPITER_RADIUS,
    REFERENCE_CADENCE,
    SECONDS_PER_DAY,
)

#: Quadratic limb darkening of the synthetic star.
LIMB_DARKENING = (0.1, 0.3)
#: Longitude of periastron [deg].
PERIASTRON = 90.0
#: What a signal without noise gets as its multiple-event statistic, and the most that any signal gets.
MES_CEILING = 1e8
#: More samples than this are refused: 2,200 years at a cadence of 25 s do not fit into memory.
MAX_SAMPLES = 100_000_000


@dataclass(frozen=True)
class PlanetarySystem:
    """A star and a planet on a Keplerian orbit.

    Parameters
    ----------
    star_radius, planet_radius
        [Jupiter radii]; a planet of radius 0 makes no transit.
    orbital_period, semi_major_axis
        [d], [AU]; the one is not derived from the other.
    t0
        Time of inferior conjunction [d].
    eccentricity
        The longitude of periastron is 90 deg.
    orbital_angle
        Away from edge-on [deg]; the inclination is 90 deg minus this.
    limb_darkening
        Quadratic coefficients of the star.
    """

    star_radius: float
    planet_radius: float
    orbital_period: float
    semi_major_axis: float
    t0: float = 0.0
    eccentricity: float = 0.0
    orbital_angle: float = 0.0
    limb_darkening: tuple[float, float] = LIMB_DARKENING

    @property
    def scaled_axis(self) -> float:
        """The semi-major axis in stellar radii."""
        return self.semi_major_axis * ASTRONOMICAL_UNIT / (self.star_radius * JUPITER_RADIUS)

    @property
    def radius_ratio(self) -> float:
        """Planet radius over stellar radius."""
        return self.planet_radius / self.star_radius


def angle_of_impact_parameter(impact_parameter: float, *, star_radius: float, semi_major_axis: float) -> float:
    """Turn an impact parameter [stellar radii] into an angle from edge-on [deg]: asin(b R* / a).

    Raises
    ------
    InputError
        The impact parameter is larger than the orbit.
    """
    sine = impact_parameter * star_radius * JUPITER_RADIUS / (semi_major_axis * ASTRONOMICAL_UNIT)
    if sine > 1:
        raise InputError(f"impact_parameter {impact_parameter:g} lies outside the orbit (b R*/a = {sine:g}, at most 1)")
    return math.degrees(math.asin(sine))


def sample_count(duration: float, cadence: float) -> int:
    """Count the samples at 0, dt, 2 dt ... below `duration` [d] for a cadence [s].

    Raises
    ------
    InputError
        There would be fewer than two, or too many to hold.
    """
    count = math.ceil(round(duration * SECONDS_PER_DAY / cadence, 6))
    if not 2 <= count <= MAX_SAMPLES:
        raise InputError(
            f"duration {duration:g} d at a sampling_cadence of {cadence:g} s gives {count} samples; "
            f"from 2 to {MAX_SAMPLES} are possible"
        )
    return count


def load_batman() -> ModuleType:
    """Import batman, which is an extra of this distribution because of its licence (GPL).

    Raises
    ------
    ImportError
        It is not installed.
    """
    with warnings.catch_warnings():
        # Its sources have stray backslashes, which Python 3.12 calls by the second name.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        import batman
    module: ModuleType = batman
    return module


def transit_model(system: PlanetarySystem, times: NDArray[np.float64], *, threads: int = 1) -> NDArray[np.float64]:
    """Compute the noise-free flux, 1 outside transits, at `times` [d] by batman (Kreidberg 2015, PASP 127, 1161).

    Raises
    ------
    InputError
        The orbit touches the star, or batman is not installed.
    """
    if system.planet_radius == 0:
        return np.ones_like(times)
    periastron = system.scaled_axis * (1 - system.eccentricity)
    if periastron <= 1 + system.radius_ratio:
        raise InputError(
            f"the planet touches the star: its closest approach is {periastron:.3g} stellar radii; "
            "use a larger semi_major_axis [AU] or a smaller star_radius [Jupiter radii]"
        )
    try:
        batman = load_batman()
    except ImportError as error:
        raise InputError("synthesis_batman needs the batman package: pip install 'plato-eas[batman]'") from error
    parameters = batman.TransitParams()
    parameters.t0 = system.t0
    parameters.per = system.orbital_period
    parameters.rp = system.radius_ratio
    parameters.a = system.scaled_axis
    parameters.inc = 90 - system.orbital_angle
    parameters.ecc = system.eccentricity
    parameters.w = PERIASTRON
    parameters.u = list(system.limb_darkening)
    parameters.limb_dark = "quadratic"
    fluxes: NDArray[np.float64] = batman.TransitModel(parameters, times, nthreads=threads).light_curve(parameters)
    return fluxes


def noise_per_sample(noise: float, cadence: float) -> float:
    """Scale a relative noise per 25-s sample to a cadence [s]."""
    return noise * math.sqrt(REFERENCE_CADENCE / cadence)


def white_noise(count: int, sigma: float, *, seed: int) -> NDArray[np.float64]:
    """Draw Gaussian noise; the same seed gives the same noise to the bit."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(count) * sigma


@dataclass(frozen=True)
class InjectedSignal:
    """How strong the transits of a noise-free model are.

    Parameters
    ----------
    power
        Sum of 1 - flux over all samples.
    pixels_in, pixels_out
        Samples with flux below 1, and the others.
    depth
        Of the deepest sample.
    mes
        Multiple-event statistic, power / sigma / sqrt(pixels_in); 0 without transits, at most 1e8.
    """

    power: float
    pixels_in: int
    pixels_out: int
    depth: float
    mes: float


def measure_signal(fluxes: NDArray[np.float64], sigma: float) -> InjectedSignal:
    """Measure the strength of the transits in a noise-free model, for noise of `sigma` per sample."""
    deficit = 1 - fluxes
    power = float(deficit.sum())
    inside = int(np.count_nonzero(fluxes < 1))
    mes = 0.0
    if inside:
        mes = min(power / sigma / math.sqrt(inside), MES_CEILING) if sigma > 0 else MES_CEILING
    return InjectedSignal(power, inside, fluxes.size - inside, float(max(deficit.max(), 0.0)), mes)

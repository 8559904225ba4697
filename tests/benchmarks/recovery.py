"""How surely the transit searches find planets that were put into noise, and how seldom they take noise for a planet.

White noise, planets of a star like the Sun on circular orbits at their Keplerian distance, random epochs; all drawn
from seeds. A planet counts as recovered if the search's best period is right by the 3 % rule of quality control and its
statistic reaches the threshold of the search; noise is a false alarm if it reaches it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context

import numpy as np

from eas_worker.science import transit_search_bls, transit_search_kovacs, transit_search_qats, transit_search_tls
from eas_worker.science.quality import Outcome, judge_period
from eas_worker.science.stellar_grid import StellarTemplate
from eas_worker.science.synthesis import PlanetarySystem, measure_signal, transit_model, white_noise
from eas_worker.science.transit_signal import FloatArray, SearchFindings
from tests.benchmarks.figures import Figure

SUN = 695_500e3 / 71_492e3  # [Jupiter radii]
#: Of the multiple-event statistic of what was put in: rates are given for each class.
CLASSES = ((5.0, 7.0), (7.0, 9.0), (9.0, 12.0), (12.0, np.inf))
#: Values of QATS' max_ttv_mag whose noise is measured.
WIDE = (0.0005, 0.005, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Search:
    """A transit search with its defaults.

    Parameters
    ----------
    run
        Takes times and fluxes.
    statistic
        The name of the number that says how sure it is.
    threshold
        From which value of it on a signal counts.
    """

    run: Callable[[FloatArray, FloatArray], SearchFindings]
    statistic: str
    threshold: float


def _bls(times: FloatArray, fluxes: FloatArray) -> SearchFindings:
    return transit_search_bls.search_boxes(times, fluxes, grid=transit_search_bls.BoxGrid())


def _kovacs(times: FloatArray, fluxes: FloatArray) -> SearchFindings:
    return transit_search_kovacs.search_folds(times, fluxes, grid=transit_search_kovacs.FoldedGrid())


def _tls(times: FloatArray, fluxes: FloatArray) -> SearchFindings:
    return transit_search_tls.search_transits(times, fluxes, template=StellarTemplate())


def _qats(times: FloatArray, fluxes: FloatArray) -> SearchFindings:
    return transit_search_qats.search_chains(times, fluxes, grid=transit_search_qats.IntervalGrid())


SEARCHES = {
    "bls_reference": Search(_bls, "sde", transit_search_bls.DETECTION_THRESHOLD),
    "bls_kovacs": Search(_kovacs, "sde", transit_search_kovacs.DETECTION_THRESHOLD),
    "tls": Search(_tls, "sde", transit_search_tls.DETECTION_THRESHOLD),
    "qats": Search(_qats, "power", transit_search_qats.DETECTION_THRESHOLD),
}


@dataclass(frozen=True)
class Star:
    """A synthetic light curve.

    Parameters
    ----------
    span
        [d], a sample every 30 minutes.
    noise
        Of each sample, relative.
    seed
        Of noise and epoch.
    period, radius
        Of its planet [d], [Jupiter radii]; None and 0 without one.
    """

    span: float
    noise: float
    seed: int
    period: float | None = None
    radius: float = 0.0


@dataclass(frozen=True)
class Trial:
    """What a search made of a star."""

    search: str
    star: Star
    mes: float
    right: bool
    statistic: float

    @property
    def loud(self) -> bool:
        """Whether the statistic reaches the threshold."""
        return self.statistic >= SEARCHES[self.search].threshold


def try_search(name: str, star: Star) -> Trial:
    """Make the light curve of a star and search it."""
    times = np.arange(round(star.span * 48), dtype=np.float64) / 48
    fluxes, mes = np.ones(times.size), 0.0
    if star.period is not None:
        epoch = float(np.random.default_rng(star.seed).uniform(0, star.period))
        system = PlanetarySystem(SUN, star.radius, star.period, (star.period / 365.25) ** (2 / 3), t0=epoch)
        fluxes = transit_model(system, times)
        mes = measure_signal(fluxes, star.noise).mes
    search = SEARCHES[name]
    findings = search.run(times, fluxes + white_noise(times.size, star.noise, seed=star.seed))
    found = findings.signal.period if findings.signal else None
    right = star.period is not None and judge_period(star.period, found) is Outcome.PASS
    return Trial(name, star, mes, right, findings.statistics.get(search.statistic, 0.0))


def plain_stars(span: float, count: int, *, first_seed: int) -> list[Star]:
    """Make stars without planets."""
    return [Star(span, (1e-4, 4e-4)[number % 2], first_seed + number) for number in range(count)]


def planet_grid(
    span: float, periods: Sequence[float], depths: Sequence[float], noises: Sequence[float], seeds: Sequence[int]
) -> list[Star]:
    """Make a star for each period [d], depth [in units of the noise of a sample], noise and seed."""
    return [
        Star(span, noise, seed, period, SUN * (depth * noise) ** 0.5)
        for number, (period, depth, noise) in enumerate(product(periods, depths, noises))
        for seed in (1000 * number + seed for seed in seeds)
    ]


def false_alarm_rate(trials: Iterable[Trial]) -> tuple[float, int]:
    """Say which fraction of the stars without planets was loud, of how many."""
    loud = [trial.loud for trial in trials if trial.star.period is None]
    return float(np.mean(loud)), len(loud)


def recovery_rate(trials: Iterable[Trial], lowest: float, highest: float) -> tuple[float, int]:
    """Say which fraction of the planets with a MES in this range was recovered, of how many."""
    kept = [trial.right and trial.loud for trial in trials if trial.star.period and lowest <= trial.mes < highest]
    return (float(np.mean(kept)) if kept else np.nan), len(kept)


def measure_recovery() -> dict[str, Figure]:
    """Measure all searches on curves of 27 and 60 d; ten minutes on one core."""
    campaigns = {
        27: plain_stars(27, 150, first_seed=10_000)
        + planet_grid(27, (4.3, 6.9, 11.8), (0.8, 1.2, 1.8, 2.7), (1e-4, 4e-4), range(3)),
        60: plain_stars(60, 40, first_seed=20_000)
        + planet_grid(60, (4.3, 11.7, 25.4), (0.6, 0.9, 1.4, 2.1), (1e-4, 4e-4), range(1)),
    }
    figures: dict[str, Figure] = {}
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for span, stars in campaigns.items():
            jobs = [(name, star) for star in stars for name in SEARCHES]
            trials = list(pool.map(try_search, *zip(*jobs, strict=True), chunksize=4))
            for name in SEARCHES:
                own = [trial for trial in trials if trial.search == name]
                figures |= dict(_summarise(f"{name}_{span}d", own))
    for span, wide in product((27, 60, 90), WIDE):
        figures[f"qats_f{wide:g}_{span}d_noise"] = _follow_noise(span, wide)
    return figures


def _follow_noise(span: float, max_ttv_mag: float) -> Figure:
    """Measure how high S gets in noise where intervals may vary."""
    grid = transit_search_qats.IntervalGrid(max_ttv_mag=max_ttv_mag)
    times = np.arange(round(span * 48), dtype=np.float64) / 48
    sums = [
        transit_search_qats.search_chains(times, 1 + white_noise(times.size, 2e-4, seed=seed), grid=grid)
        for seed in range(100)
    ]
    median, high, highest = np.percentile([found.statistics["power"] for found in sums], (50, 99, 100))
    return Figure(float(high), "S", f"99 % of 100 curves of noise; median {median:.2f}, highest {highest:.2f}")


def _summarise(name: str, trials: list[Trial]) -> Iterator[tuple[str, Figure]]:
    noise = [trial.statistic for trial in trials if trial.star.period is None]
    rate, count = false_alarm_rate(trials)
    median, high, highest = np.percentile(noise, (50, 99, 100))
    remark = f"of {count} curves of noise; statistic: median {median:.2f}, 99 % {high:.2f}, highest {highest:.2f}"
    yield f"{name}_false_alarms", Figure(100 * rate, "%", remark)
    for lowest, highest in CLASSES:
        rate, count = recovery_rate(trials, lowest, highest)
        if not count:
            continue
        words = f"{lowest:g}_to_{highest:g}" if np.isfinite(highest) else f"from_{lowest:g}"
        yield f"{name}_recovered_mes_{words}", Figure(100 * rate, "%", f"of {count} planets")

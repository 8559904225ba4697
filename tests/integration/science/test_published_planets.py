"""Real light curves: detrended and searched, they give the published periods, and their reports the right numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eas.authoring.task_type import InputFile, TaskContext, TaskType
from eas.contracts.metadata import Metadata
from eas_worker.tasks.detrend import TASK_TYPE as DETREND
from eas_worker.tasks.transit_report import TASK_TYPE as REPORT
from eas_worker.tasks.transit_search_bls_kovacs import TASK_TYPE as KOVACS
from eas_worker.tasks.transit_search_bls_reference import TASK_TYPE as BLS
from eas_worker.tasks.transit_search_qats import TASK_TYPE as QATS
from eas_worker.tasks.transit_search_tls import TASK_TYPE as TLS

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "lightcurves"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real light curves are not beside the repository")
PLANETS = {
    "WASP-126 b": ("tess2018206045859-s0001-0000000025155310-0120-s_lc.fits", 3.28883, 0.8),
    "HATS-30 b": ("tess2018206045859-s0001-0000000281459670-0120-s_lc.fits", 3.1743516, 0.8),
    "TrES-2 b": ("kplr011446443-2009131110544_slc.fits", 2.470613402, 0.8),
    "K2-3 b": ("EPIC201367065.csv", 10.054626, 1.0),
}


def run(
    task_type: TaskType, directory: Path, inputs: dict[str, Path], outputs: dict[str, str], settings: dict[str, Any]
) -> tuple[Metadata, dict[str, Path]]:
    directory.mkdir()
    files = {slot: InputFile(path) for slot, path in inputs.items()}
    context = TaskContext(directory=directory, inputs=files, output_names=outputs)
    metadata = task_type.run(context, task_type.settings.model_validate(settings))
    assert task_type.check is not None
    assert all(verdict.passed for verdict in task_type.check(context, metadata))
    return metadata, {output.slot: output.path for output in context.outputs}


@pytest.mark.parametrize("search", [BLS, KOVACS, TLS, QATS], ids=["bls", "kovacs", "tls", "qats"])
@pytest.mark.parametrize("planet", PLANETS)
def test_a_published_planet_is_found_and_reported(search: TaskType, planet: str, tmp_path: Path) -> None:
    name, period, window = PLANETS[planet]

    _, flat = run(
        DETREND, tmp_path / "flat", {"lightcurve": DATA / name}, {"lightcurve": "f.npz"}, {"window_length": window}
    )
    settings = {"lc_duration": 200, "search_settings": {"period_min": 2.0} if search is QATS else {}}
    found, archive = run(search, tmp_path / "search", flat, {"debugging": "d.tar.gz"}, settings)
    numbers, _ = run(
        REPORT,
        tmp_path / "report",
        {**flat, "raw": DATA / name, **archive},
        {"report_png": "p.png"},
        {"candidate": found},
    )

    assert found["period"] == pytest.approx(period, rel=0.03)
    assert found["outcome"] == "UNDEFINED"
    assert numbers["fitted_period"] == pytest.approx(period, abs=5 * numbers["fitted_period_error"])
    assert numbers["odd_even_sigma"] < 3.5
    assert numbers["snr"] > 50


def test_toi_540_needs_a_short_window_and_the_density_of_its_star(tmp_path: Path) -> None:
    # With the recipe of the others both searches find 0.726 d, the rotation of the star.
    curve = DATA / "TIC_200322593_spoc_pdcsap.csv"
    _, flat = run(DETREND, tmp_path / "flat", {"lightcurve": curve}, {"lightcurve": "f.npz"}, {"window_length": 0.15})

    found, _ = run(
        TLS,
        tmp_path / "search",
        flat,
        {},
        {"lc_duration": 200, "search_settings": {"star_radius": 0.19, "star_mass": 0.16}},
    )

    assert found["period"] == pytest.approx(1.239149, rel=1e-3)

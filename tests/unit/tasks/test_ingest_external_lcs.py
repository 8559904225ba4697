"""`ingest_external_lcs`: which files, what becomes of them, and nothing from outside the input directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.worker.domain.errors import InputError
from services.worker.domain.task_type import TaskContext
from services.worker.tasks.ingest_external_lcs import TASK_TYPE, IngestSettings, run
from shared.contracts.metadata import Metadata
from shared.lightcurve import read_light_curve

LCSG = "# #seed=1\n0,1.0,0\n0.1,0.9,1\n0.2,1.1,0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An input directory: two LCSG files, a CSV of the same name elsewhere, and a text file next door."""
    root = tmp_path / "input"
    (root / "bright" / "deep").mkdir(parents=True)
    (root / "bright" / "plato_b.csv").write_text(LCSG)
    (root / "bright" / "plato_a.csv").write_text(LCSG.replace("seed=1", "seed=2"))
    (root / "bright" / "deep" / "plato_a.csv").write_text("BTJD,flux\n1325.0,1\n1325.1,2\n")
    (tmp_path / "secret.csv").write_text(LCSG)
    return root


def ingest(
    folder: Path | None, tmp_path: Path, path: str, output: str | None = None, **settings: str
) -> tuple[TaskContext, Metadata]:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    context = TaskContext(work, {}, {"lightcurve": output} if output else {}, input_directory=folder)
    return context, run(context, IngestSettings.model_validate({"input_path": path, **settings}))


def test_every_match_becomes_a_product_in_the_order_of_the_names(folder: Path, tmp_path: Path) -> None:
    context, metadata = ingest(folder, tmp_path, "bright/plato_*")
    assert metadata == {"ingested": 2}
    assert [(file.slot, file.filename) for file in context.outputs] == [
        ("lightcurve_00000", "plato_a.npz"),
        ("lightcurve_00001", "plato_b.npz"),
    ]
    assert [file.metadata["seed"] for file in context.outputs] == [2, 1]
    assert [file.metadata["filename"] for file in context.outputs] == ["plato_a.csv", "plato_b.csv"]
    curve = read_light_curve(context.outputs[1].path)
    assert curve.fluxes.tolist() == [1.0, 0.9, 1.1]
    assert curve.flags.tolist() == [False, True, False]


def test_namesakes_get_different_product_names(folder: Path, tmp_path: Path) -> None:
    context, _ = ingest(folder, tmp_path, "**/plato_a*")
    assert [file.filename for file in context.outputs] == ["plato_a.npz", "plato_a_2.npz"]


def test_quality_control_inspects_every_product(folder: Path, tmp_path: Path) -> None:
    (folder / "bright" / "plato_c.csv").write_text("0,1,0\n2,1,0\n1,1,0\n")
    context, metadata = ingest(folder, tmp_path, "bright/plato_*")
    assert TASK_TYPE.check is not None
    verdicts = TASK_TYPE.check(context, metadata)
    assert [(verdict.slot, verdict.passed) for verdict in verdicts] == [
        ("lightcurve_00000", True),
        ("lightcurve_00001", True),
        ("lightcurve_00002", False),
    ]


def test_a_declared_output_takes_the_one_file_and_its_metadata(folder: Path, tmp_path: Path) -> None:
    context, metadata = ingest(folder, tmp_path, "bright/plato_b*", "lc.gz")
    assert [file.slot for file in context.outputs] == ["lightcurve"]
    assert context.outputs[0].path.read_bytes()[:2] == b"\x1f\x8b"
    assert {"ingested": 1, "seed": 1, "gzipped": True}.items() <= metadata.items()


@pytest.mark.parametrize(("path", "count"), [("bright/plato_*", 2), ("nothing*", 0)])
def test_a_declared_output_needs_exactly_one_file(folder: Path, tmp_path: Path, path: str, count: int) -> None:
    with pytest.raises(InputError, match=f"must match one file .* it matches {count}"):
        ingest(folder, tmp_path, path, "lc.npz")


def test_no_match_is_a_success_with_nothing(folder: Path, tmp_path: Path) -> None:
    context, metadata = ingest(folder, tmp_path, "nothing*")
    assert (context.outputs, metadata) == ([], {"ingested": 0})


def test_an_absolute_path_below_the_input_directory_is_allowed(folder: Path, tmp_path: Path) -> None:
    _, metadata = ingest(folder, tmp_path, str(folder / "bright" / "plato_b.csv"))
    assert metadata == {"ingested": 1}


@pytest.mark.parametrize("path", ["../secret.csv", "bright/../../secret.csv", "/etc/passwd", "/", "."])
def test_paths_that_lead_out_are_refused(folder: Path, tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match="input_path"):
        ingest(folder, tmp_path, path)


def test_a_sibling_whose_name_begins_alike_is_outside(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not below"):
        ingest(folder, tmp_path, f"{folder}_2/x.csv")


def test_links_that_lead_out_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(InputError, match=r"link\.csv is a link that leads out"):
        ingest(folder, tmp_path, "*.csv")


def test_without_an_input_directory_the_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="EAS_WORKER_INPUT_DIRECTORY"):
        ingest(None, tmp_path, "*")


def test_a_broken_file_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "bright" / "plato_c.csv").write_text("# #seed=1\n0,1,0\n1,x,0\n")
    with pytest.raises(InputError, match=r"plato_c\.csv, line 3: expected a number, found 'x'"):
        ingest(folder, tmp_path, "bright/*.csv")


def test_the_format_and_the_time_system_can_be_demanded(folder: Path, tmp_path: Path) -> None:
    context, _ = ingest(folder, tmp_path, "bright/plato_b*", lc_type="lcsg", time_system="BKJD")
    assert context.outputs[0].metadata["time_system"] == "BKJD"
    with pytest.raises(InputError, match="expected a light curve in the format 'fits'"):
        ingest(folder, tmp_path, "bright/plato_b*", lc_type="fits")


def test_real_light_curves_of_every_format(tmp_path: Path) -> None:
    data = Path(__file__).resolve().parents[4] / "shared" / "data" / "lightcurves"
    if not data.is_dir():
        pytest.skip("the folder of real light curves is not there")
    context, metadata = ingest(data, tmp_path, "*.[fc]*")
    assert metadata["ingested"] == len(context.outputs) >= 6
    assert TASK_TYPE.check is not None
    assert all(verdict.passed for verdict in TASK_TYPE.check(context, metadata))
    assert {"BTJD", "BKJD", "BJD_TDB"} <= {file.metadata["time_system"] for file in context.outputs}
    assert all(np.isfinite(read_light_curve(file.path).good().fluxes).all() for file in context.outputs)

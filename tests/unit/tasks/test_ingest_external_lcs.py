"""`ingest_external_lcs`: which files, what becomes of them, and nothing from outside the input directory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from eas.authoring.errors import InputError
from eas.authoring.task_type import TaskContext
from eas.contracts.metadata import Metadata
from eas.lightcurve import read_light_curve
from eas_worker.tasks.ingest_external_lcs import TASK_TYPE, IngestSettings, run

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
    folder: Path | None, tmp_path: Path, path: str, output: str | None = None, **settings: object
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
    (folder / "bright" / "plato_c.csv").write_text("0,1,0\n1,1,0\n2,1,0\n")
    context, metadata = ingest(folder, tmp_path, "bright/plato_*")
    assert TASK_TYPE.check is not None
    context.outputs[2].path.write_bytes(context.outputs[2].path.read_bytes()[:-100])
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
        ingest(folder, tmp_path, "bright/*c.csv")


def test_the_format_and_the_time_system_can_be_demanded(folder: Path, tmp_path: Path) -> None:
    context, _ = ingest(folder, tmp_path, "bright/plato_b*", lc_type="lcsg", time_system="BKJD")
    assert context.outputs[0].metadata["time_system"] == "BKJD"
    with pytest.raises(InputError, match="expected a light curve in the format 'fits'"):
        ingest(folder, tmp_path, "bright/plato_b*", lc_type="fits")


# --- Bad files among good ones


def test_bad_files_are_named_and_counted_and_the_rest_goes_on(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bright = folder / "bright"
    (bright / "plato_0_empty.csv").write_text("")
    (bright / "plato_aa_rubbish.csv").write_bytes(bytes(range(256)))
    (bright / "plato_aa_words.csv").write_text("# #seed=1\n0,1,0\n1,x,0\n")
    (bright / "plato_aa_flagged.csv").write_text("time,flux,quality\n0,1,8\n1,1,8\n")
    (bright / "plato_aa_cut.gz").write_bytes(b"\x1f\x8b\x08\0")
    (bright / "plato_z_link.csv").symlink_to(tmp_path / "secret.csv")
    context, metadata = ingest(folder, tmp_path, "bright/plato_*")
    assert [(file.slot, file.filename) for file in context.outputs] == [
        ("lightcurve_00000", "plato_a.npz"),
        ("lightcurve_00001", "plato_b.npz"),
    ]
    assert (metadata["ingested"], metadata["refused"]) == (2, 6)
    reasons = {refusal["file"]: refusal["reason"] for refusal in metadata["refused_files"]}
    assert reasons == {
        "plato_0_empty.csv": "plato_0_empty.csv: the file is empty",
        "plato_aa_rubbish.csv": reasons["plato_aa_rubbish.csv"],
        "plato_aa_words.csv": "plato_aa_words.csv, line 3: expected a number, found 'x'",
        "plato_aa_flagged.csv": reasons["plato_aa_flagged.csv"],
        "plato_aa_cut.gz": reasons["plato_aa_cut.gz"],
        "plato_z_link.csv": "bright/plato_z_link.csv is a link that leads out of the input directory",
    }
    assert "quality_bitmask" in reasons["plato_aa_flagged.csv"]
    assert all(name in caplog.text for name in reasons)


def test_if_all_files_are_bad_the_task_fails_and_names_some(folder: Path, tmp_path: Path) -> None:
    for place in range(30):
        (folder / f"bad_{place:02d}.csv").write_text("nothing\n")
    with pytest.raises(InputError, match=r"none of the 30 files .*bad_00\.csv: .*bad_02\.csv: .*; and 27 more"):
        ingest(folder, tmp_path, "bad_*")


def test_the_result_names_a_bounded_number_of_files_with_bounded_reasons(folder: Path, tmp_path: Path) -> None:
    for place in range(30):
        (folder / f"x_{place:02d}.csv").write_text(f"time,{'y' * 2000}\n0,1\n")
    (folder / "x_good.csv").write_text(LCSG)
    _, metadata = ingest(folder, tmp_path, "x_*")
    assert (metadata["ingested"], metadata["refused"], len(metadata["refused_files"])) == (1, 30, 20)
    assert max(len(refusal["reason"]) for refusal in metadata["refused_files"]) <= 300


@pytest.mark.parametrize("entry", [f"{'k' * 65}=1", f"long={'x' * 40_000}"])
def test_a_file_whose_metadata_cannot_be_kept_is_refused_alone(folder: Path, tmp_path: Path, entry: str) -> None:
    (folder / "bright" / "plato_aa.csv").write_text(f"# #{entry}\n0,1,0\n1,1,0\n")
    context, metadata = ingest(folder, tmp_path, "bright/plato_*")
    assert (metadata["ingested"], metadata["refused"], len(context.outputs)) == (2, 1, 2)
    assert metadata["refused_files"][0]["file"] == "plato_aa.csv"
    assert "metadata" in metadata["refused_files"][0]["reason"]


def test_a_file_that_cannot_be_opened_is_refused_alone(folder: Path, tmp_path: Path) -> None:
    gone = folder / "bright" / "plato_c.csv"
    gone.symlink_to(folder / "bright" / "deep" / "nothing.csv")
    if os.getuid():
        (folder / "bright" / "plato_d.csv").write_text(LCSG)
        (folder / "bright" / "plato_d.csv").chmod(0)
    _, metadata = ingest(folder, tmp_path, "bright/plato_*")
    assert metadata["ingested"] == 2


# --- Names


def test_hidden_files_are_passed_over_as_by_a_shell(folder: Path, tmp_path: Path) -> None:
    for name in (".DS_Store", "._star.csv", "Thumbs.db", "desktop.ini"):
        (folder / "bright" / name).write_bytes(b"\0\0\0\1Bud1")
    (folder / "bright" / "__MACOSX").mkdir()
    (folder / "bright" / "__MACOSX" / "._plato_a.csv").write_bytes(b"\0\5\x16\7")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "plato_a.csv").write_text(LCSG)
    assert ingest(folder, tmp_path, "bright/*")[1] == {"ingested": 2}
    assert ingest(folder, tmp_path, "**/*")[1] == {"ingested": 3}
    (folder / ".mine.csv").write_text(LCSG)
    assert ingest(folder, tmp_path, ".mine*")[1] == {"ingested": 1}


def test_names_in_decomposed_form_are_composed(folder: Path, tmp_path: Path) -> None:
    composed, decomposed = "\u00e9toile", "e\u0301toile"
    (folder / f"{decomposed}.csv").write_text("time,flux\n1400.0,1\n1400.1,1\n")
    for pattern in ("*toile*", f"{composed}.csv", f"{decomposed}.csv"):
        context, metadata = ingest(folder, tmp_path, pattern)
        assert metadata == {"ingested": 1}
        assert context.outputs[0].filename == f"{composed}.npz"
        assert context.outputs[0].metadata["filename"] == f"{composed}.csv"


def test_namesakes_after_composing_get_different_names(folder: Path, tmp_path: Path) -> None:
    for name in ("\u00e9", "e\u0301"):
        (folder / f"{name}.csv").write_text(LCSG)
    context, _ = ingest(folder, tmp_path, "*.csv")
    assert sorted(str(file.filename) for file in context.outputs) == ["\u00e9.npz", "\u00e9_2.npz"]


@pytest.mark.parametrize(
    ("name", "product"),
    [
        (b"a\\b.csv", "a_b.npz"),
        (b"\xff\xfe.csv", "__.npz"),
        (b"tab\there.csv", "tab_here.npz"),
        (b" blanks .csv", "blanks.npz"),
        (b"x" * 250 + b".csv", "x" * 180 + ".npz"),
        (b"star[1].csv", "star[1].npz"),
    ],
)
def test_names_that_products_must_not_have_are_changed(folder: Path, tmp_path: Path, name: bytes, product: str) -> None:
    (folder / "odd").mkdir()
    (folder / "odd" / os.fsdecode(name)).write_text(LCSG)
    context, _ = ingest(folder, tmp_path, "odd/*")
    assert [file.filename for file in context.outputs] == [product]
    assert TASK_TYPE.check is not None
    assert all(verdict.passed for verdict in TASK_TYPE.check(context, {}))


def test_a_name_with_brackets_can_be_written_as_it_is(folder: Path, tmp_path: Path) -> None:
    (folder / "star[1].csv").write_text(LCSG)
    assert ingest(folder, tmp_path, "star[1].csv")[1] == {"ingested": 1}


# --- How files are read


def test_samples_are_ingested_in_the_order_of_time(folder: Path, tmp_path: Path) -> None:
    (folder / "mixed.csv").write_text("time,flux\n2,1.2\n0,1.0\n1,1.1\n")
    context, _ = ingest(folder, tmp_path, "mixed.csv")
    assert read_light_curve(context.outputs[0].path).fluxes.tolist() == [1.0, 1.1, 1.2]
    (folder / "twice.csv").write_text("time,flux\n0,1.0\n1,1.1\n1,1.2\n")
    with pytest.raises(InputError, match=r"twice\.csv: 1 samples have the time of another .*repeated_times"):
        ingest(folder, tmp_path, "twice.csv")
    context, _ = ingest(folder, tmp_path, "twice.csv", repeated_times="first")
    assert read_light_curve(context.outputs[0].path).fluxes.tolist() == [1.0, 1.1]


def test_settings_say_what_columns_units_and_flags_are(folder: Path, tmp_path: Path) -> None:
    (folder / "own.dat").write_text("4 0.0 500 7 0\n8 25.0 510 7 0\n0 50.0 490 7 0\n")
    context, _ = ingest(
        folder,
        tmp_path,
        "own.dat",
        "lc.npz",
        **{"time_column": 2, "flux_column": "3", "error_column": 4, "quality_column": 1, "quality_bitmask": "4"},
        **{"time_unit": "s", "flux_unit": "ppm", "time_system": "btjd"},
    )
    metadata = context.outputs[0].metadata
    curve = read_light_curve(context.outputs[0].path)
    assert curve.times.tolist() == [0, 25 / 86400, 50 / 86400]
    np.testing.assert_allclose(curve.fluxes, [1.0005, 1.00051, 1.00049])
    assert (curve.uncertainties[0], curve.flags.tolist()) == (7e-6, [True, False, False])
    assert (metadata["time_column"], metadata["flux_column"], metadata["error_column"]) == ("2", "3", "4")
    assert (metadata["quality_columns"], metadata["quality_bitmask"], metadata["time_system"]) == (["1"], 4, "BTJD")


@pytest.mark.parametrize(
    "settings",
    [{"quality_bitmask": "soft"}, {"quality_bitmask": -1}, {"quality_bitmask": 2**70}, {"time_unit": "fortnight"}],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        IngestSettings.model_validate(settings)


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

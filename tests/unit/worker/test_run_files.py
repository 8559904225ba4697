"""The file of a task that runs by itself: TOML and INI, their types, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas.authoring.task_type import TaskType
from eas_worker.domain.run_file import RunFile, RunFileError, fit_slots, read_plain_value, read_settings
from eas_worker.storage.run_files import find_inputs, open_run_file, put_file, read_metadata, write_metadata
from eas_worker.tasks.multiply import TASK_TYPE as MULTIPLY
from eas_worker.tasks.transit_search_bls_reference import TASK_TYPE as BLS
from eas_worker.tasks.transit_search_tls import TASK_TYPE as TLS

TOML = """
[task]
task = "transit_search_tls"
job_name = "a job"
seed = 5
lc_duration = 20
[inputs]
lightcurve = "star.npz"
[search_settings]
period_min = 2
limb_darkening = [0.1, 0.3]
"""
INI = """
[task]
task = transit_search_tls
job_name = a job
seed: 5
lc_duration = 2e1
[inputs]
lightcurve = star.npz
[search_settings]
period_min = 2
limb_darkening = [0.1, 3e-1]
"""


def given_file(folder: Path, text: str, name: str) -> RunFile:
    (folder / name).write_text(text)
    return open_run_file(folder / name)


def settings_of(file: RunFile, task_type: TaskType = TLS) -> dict[str, Any]:
    return read_settings(file, task_type)


@pytest.mark.parametrize(("text", "name"), [(TOML, "a.toml"), (INI, "a.ini"), (INI, "a.cfg")])
def test_both_forms_say_the_same(tmp_path: Path, text: str, name: str) -> None:
    file = given_file(tmp_path, text, name)

    assert (file.task_type, file.job_name, file.task_name, file.seed) == (
        "transit_search_tls",
        "a job",
        "untitled_test",
        5,
    )
    assert file.inputs == {"lightcurve": "star.npz"}
    model = TLS.settings.model_validate(settings_of(file))
    assert model.model_dump()["lc_duration"] == 20
    assert model.model_dump()["search_settings"]["limb_darkening"] == (0.1, 0.3)


def test_text_stays_text_where_text_is_wanted(tmp_path: Path) -> None:
    from eas_worker.tasks.error import TASK_TYPE as ERROR

    file = given_file(tmp_path, "[task]\ntask = error\nmessage = 12 # and 13: a [b] %(c)s\n", "a.ini")
    assert settings_of(file, ERROR) == {"message": "12 # and 13: a [b] %(c)s"}
    file = given_file(tmp_path, "[task]\ntask = error\nmessage = 12\n", "a.ini")
    assert settings_of(file, ERROR) == {"message": "12"}


def test_nothing_is_evaluated(tmp_path: Path) -> None:
    file = given_file(tmp_path, "[task]\ntask = transit_search_tls\nlc_duration = 10 + 10\n", "a.ini")
    with pytest.raises(RunFileError, match=r"\[task\] lc_duration: Input should be a valid number.*'10 \+ 10'"):
        settings_of(file)


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("x = 1", "a.toml", "x = 1 stands outside of any section"),
        ("x = 1", "a.ini", "no section headers"),
        ("[inputs]\na = 'b'", "a.toml", "no section [task]; there is inputs"),
        ("[task]\nname = 'b'", "a.toml", "[task] has no key 'task'"),
        ("[task]\ntask = 3", "a.toml", "[task] task: 3 given, text expected"),
        ("[task]\ntask = 'tls'\nseed = -1", "a.toml", "[task] seed: -1 given, an integer from 0 expected"),
        ("[task]\ntask = tls\nseed = 1.5", "a.ini", "[task] seed: '1.5' given, an integer from 0 expected"),
        ("[task]\ntask = 'x'\na = 1\n[a]\nb = 1", "a.toml", "'a' stands in [task] and is a section"),
        ("[task]\ntask = 'x'\n[inputs]\na = 1", "a.toml", "[inputs] a: 1 given, a path expected"),
        ("[task]\ntask = \n", "a.toml", "(at line 2, column 8)"),
        ("[task]\ntask = x\ntask = y", "a.ini", "option 'task' in section 'task' already exists"),
        (b"\xff\xfe", "a.toml", "is not text in UTF-8"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, text: str | bytes, name: str, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunFileError) as caught:
        open_run_file(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"nothing\.toml: No such file"):
        open_run_file(tmp_path / "nothing.toml")


def test_every_wrong_setting_has_a_line_with_section_and_key(tmp_path: Path) -> None:
    text = "[task]\ntask = 'transit_search_bls_reference'\nspeed = 3\n[search_settings]\nperiod_min = 'soon'\n"
    with pytest.raises(RunFileError) as caught:
        settings_of(given_file(tmp_path, text, "a.toml"), BLS)
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[2].partition(": ")[0] for line in lines] == [
        "[task] lc_duration",
        "[search_settings] period_min",
        "[task] speed",
    ]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ("[inputs]\nlightcurve_1='a'\n[outputs]\nlightcurve='c'", "[inputs]: multiply needs lightcurve_2"),
        ("[inputs]\nlightcurve_1='a'\nlightcurve_2='b'", "[outputs]: multiply needs lightcurve"),
        ("[inputs]\nlight='a'", "[inputs] light: multiply has no such slot; it has lightcurve_1, lightcurve_2"),
        (
            "[inputs]\nlightcurve_1='a'\nlightcurve_2='b'\n[outputs]\nlightcurve='x/..'",
            "'x/..' is not the path of a file",
        ),
    ],
)
def test_slots_are_compared_with_those_of_the_task_type(tmp_path: Path, sections: str, words: str) -> None:
    file = given_file(tmp_path, f"[task]\ntask = 'multiply'\n{sections}", "a.toml")
    with pytest.raises(RunFileError) as caught:
        fit_slots(file, MULTIPLY)
    assert words in str(caught.value)


def test_inputs_are_beside_the_file_and_bring_their_metadata(tmp_path: Path) -> None:
    (tmp_path / "star.npz").write_text("x")
    (tmp_path / "star.npz.metadata.cfg").write_text(
        "[metadata]\norbital_period = 4\nmes = 1.5e1\nobject = TIC 1: a # b\nbinary = True\nnames = [1, 2]\n"
    )
    file = given_file(tmp_path, TOML, "a.toml")

    (path, metadata) = find_inputs(file, [tmp_path])["lightcurve"]

    assert path == tmp_path / "star.npz"
    assert metadata == {
        "orbital_period": 4,
        "mes": 15.0,
        "object": "TIC 1: a # b",
        "binary": True,
        "names": [1, 2],
    }
    (tmp_path / "star.npz.metadata.cfg").write_text("[other]\nx = 1\n")
    with pytest.raises(RunFileError, match=r"expected one section, \[metadata\]; there is other"):
        find_inputs(file, [tmp_path])
    (tmp_path / "star.npz").unlink()
    with pytest.raises(RunFileError, match=r"\[inputs\] lightcurve: there is no file"):
        find_inputs(file, [tmp_path])


def test_an_input_in_one_of_two_folders_is_found_and_one_in_each_is_refused(tmp_path: Path) -> None:
    beside, here = tmp_path / "beside", tmp_path / "here"
    beside.mkdir()
    here.mkdir()
    file = given_file(beside, INI, "a.ini")
    with pytest.raises(RunFileError, match=r"no file \S+/beside/star.npz or \S+/here/star.npz"):
        find_inputs(file, [beside, here])
    (here / "star.npz").write_text("x")
    assert find_inputs(file, [beside, here])["lightcurve"][0] == here / "star.npz"
    (beside / "star.npz").symlink_to(here / "star.npz")
    assert find_inputs(file, [beside, here])["lightcurve"][0].samefile(here / "star.npz")
    (beside / "star.npz").unlink()
    (beside / "star.npz").write_text("y")
    with pytest.raises(RunFileError, match=r"two files are meant, \S+/beside/star.npz and \S+/here/star.npz; .*--base"):
        find_inputs(file, [beside, here])
    assert find_inputs(file, [here])["lightcurve"][0] == here / "star.npz"


def test_text_becomes_the_number_or_boolean_that_is_meant(tmp_path: Path) -> None:
    from eas_worker.tasks.synthesis_psls import TASK_TYPE as PSLS

    text = "[task]\ntask = synthesis_psls\n[specs]\nenable_transits = 1\nmask_updates = 0\nnsr = 73\nt0 = 1e0\n"
    settings = settings_of(given_file(tmp_path, text, "a.ini"), PSLS)["specs"]
    assert [settings["enable_transits"], settings["mask_updates"]] == [True, False]
    assert [type(settings[name]) for name in ("enable_transits", "nsr", "t0")] == [bool, float, float]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True), values))
def test_metadata_that_are_written_are_read_again(tmp_path_factory: pytest.TempPathFactory, metadata: Any) -> None:
    path = tmp_path_factory.mktemp("metadata") / "star.npz"
    write_metadata(path, metadata)
    found = read_metadata(path)
    assert found == metadata
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in metadata.items()}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1 + 1", "__import__('os')", "1e", "None"])
def test_what_is_no_plain_value_is_text(text: str) -> None:
    assert read_plain_value(text) == text


def test_an_output_is_replaced_as_a_whole(tmp_path: Path) -> None:
    source, target = tmp_path / "new", tmp_path / "deep" / "er" / "out"
    source.write_text("new")
    put_file(source, target)
    source.write_text("newer")
    put_file(source, target)
    assert target.read_text() == "newer"
    assert [path.name for path in target.parent.iterdir()] == ["out"]
    with pytest.raises(RunFileError, match="cannot be written"):
        put_file(source, target / "below")

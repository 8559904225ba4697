"""What PSLS is told, and how its output is read; without PSLS itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from eas.authoring.errors import InputError, OutputError
from eas.authoring.program_results import ProgramError
from eas.authoring.task_type import TaskContext
from eas.lightcurve import read_light_curve
from eas_worker.tasks.psls_program import Simulation, read_star, split_quarters, write_yaml
from eas_worker.tasks.synthesis_psls import TASK_TYPE, PslsSpecs, noise_per_sample

STAND_IN = """
mkdir -p psls
python3 - "$@" <<'PY'
import re, sys
assert sys.argv[1:] == ["-o", "psls", "psls.yaml"], sys.argv
text = open("psls.yaml").read()
days = [float(found) for found in re.search(r"QuarterDuration: \\[(.*)\\]", text)[1].split(",")]
step = float(re.search(r"Sampling: (.*)", text)[1])
with open("psls/0012069449.dat", "w") as file:
    file.write("# StarID = 0012069449\\n# Master_seed = 5\\n# Version =    2.00\\n# \\n# Time [s], Flux, Flag\\n")
    for k in range(round(sum(days) * 86400 / step)):
        file.write(f"{k * step + 19.88:12.2f} {100.0 * (k % 2):20.15e} {24 * (k == 2)}\\n")
PY
"""


def given_psls(folder: Path, script: str = STAND_IN, seed: int = 2**40 + 7) -> TaskContext:
    """A worker whose PSLS is a script."""
    work = folder / "work"
    work.mkdir()
    (folder / "psls.sh").write_text(script)
    (folder / "models").mkdir()
    (folder / "models" / "0012069449.gsm").touch()
    (folder / "commands.toml").write_text(
        f"[synthesis_psls]\ncommand = ['sh', '{folder}/psls.sh']\ndata = '{folder}'\n"
    )
    return TaskContext(work, {}, {"lightcurve": "lc.npz"}, commands=folder / "commands.toml", seed=seed)


SHORT = {"duration": 2, "sampling_cadence": 600, "orbital_period": 1, "semi_major_axis": 0.02, "t0": 0.5}


def test_transits_are_multiplied_on_what_psls_wrote(tmp_path: Path) -> None:
    context = given_psls(tmp_path)
    metadata = TASK_TYPE.run(context, TASK_TYPE.settings.model_validate({"specs": SHORT}))
    curve = read_light_curve(context.outputs[0].path)
    assert (len(curve), curve.times[0], curve.times[1]) == (288, 0, pytest.approx(600 / 86400))
    assert curve.fluxes[0] == 1
    assert curve.fluxes[1] == pytest.approx(1.0001, rel=1e-12)
    assert curve.flags.tolist() == [k == 2 for k in range(288)]
    # The planet transits at t0 and one period later, as deep as the metadata say
    assert curve.fluxes[72] == pytest.approx(1 - metadata["injected_depth"], rel=1e-6)
    assert curve.fluxes[72 + 144] == pytest.approx(curve.fluxes[72], rel=1e-9)
    assert metadata["injected_depth"] == pytest.approx((1 / 9.728361215) ** 2 / (1 - 0.25 / 3 - 0.75 / 6), rel=0.02)
    assert (metadata["psls_version"], metadata["seed"]) == ("2.00", 7)
    assert TASK_TYPE.check is not None
    assert [verdict.passed for verdict in TASK_TYPE.check(context, metadata)] == [True]


def test_without_transits_the_signal_is_zero(tmp_path: Path) -> None:
    context = given_psls(tmp_path)
    metadata = TASK_TYPE.run(
        context, TASK_TYPE.settings.model_validate({"specs": {**SHORT, "enable_transits": False, "seed": 3}})
    )
    assert (metadata["mes"], metadata["integrated_transit_power"], metadata["pixels_in_transit"]) == (0, 0, 0)
    assert (metadata["pixels_out_of_transit"], metadata["seed"]) == (288, 3)
    assert read_light_curve(context.outputs[0].path).fluxes.min() == 1


@pytest.mark.parametrize(
    ("changed", "ratio"),
    [({"star_radius": 2 * 9.728361215}, 0.5), ({"eccentricity": 0.3}, 1.0), ({"impact_parameter": 0.9}, 0.8)],
)
def test_the_orbit_and_the_star_act(tmp_path: Path, changed: dict[str, float], ratio: float) -> None:
    metadata = []
    for number, specs in enumerate((SHORT, SHORT | changed)):
        place = tmp_path / str(number)
        place.mkdir()
        context = given_psls(place)
        metadata.append(
            TASK_TYPE.run(context, TASK_TYPE.settings.model_validate({"specs": {**specs, "semi_major_axis": 0.1}}))
        )
    assert metadata[1]["integrated_transit_power"] != metadata[0]["integrated_transit_power"]
    assert metadata[1]["injected_depth"] <= metadata[0]["injected_depth"] * ratio * 1.001


def test_noise_follows_nsr_cameras_and_cadence() -> None:
    # 73 ppm sqrt(hour) of a camera, 24 cameras, 144 samples an hour
    assert noise_per_sample(PslsSpecs()) == pytest.approx(73e-6 * 12 / 24**0.5)
    assert noise_per_sample(PslsSpecs(nsr=146)) == pytest.approx(2 * noise_per_sample(PslsSpecs()))
    assert noise_per_sample(PslsSpecs(number_camera_groups=1)) == pytest.approx(2 * noise_per_sample(PslsSpecs()))
    assert noise_per_sample(PslsSpecs(sampling_cadence=100)) == pytest.approx(noise_per_sample(PslsSpecs()) / 2)


def test_the_configuration_says_what_was_set() -> None:
    simulation = Simulation(
        "red_giant", 100.0, 50.0, 80.0, 9, systematics=True, mask_updates=True, groups=3, cameras=2, random_noise=False
    )
    found = simulation.configuration(Path("/data"))
    assert found["Observation"] == {"QuarterDuration": [90.0, 10.0], "MasterSeed": 9, "Gaps": {"Enable": 0}}
    instrument = found["Instrument"]
    assert instrument["RandomNoise"] == {"Enable": 0, "Type": "User", "NSR": 80.0}
    assert (instrument["GroupID"], instrument["NCamera"], instrument["IntegrationTime"]) == ([1, 2, 3], 2, 44.0)
    assert instrument["Systematics"]["Table"] == "/data/systematics/PLATO_systematics_BOL_V2.npy"
    assert (found["Star"]["ModelType"], found["Star"]["Mag"], found["Activity"]["Enable"]) == ("UP", 12.5, 0)
    assert [str(path) for path in simulation.needed_files(Path("/data"))] == [instrument["Systematics"]["Table"]]


@pytest.mark.parametrize(
    ("duration", "quarters"),
    [(10.0, [10.0]), (90.0, [90.0]), (90.2, [90.2]), (100.0, [90.0, 10.0]), (180.1, [90.0, 90.1])],
)
def test_quarters_last_ninety_days(duration: float, quarters: list[float]) -> None:
    assert split_quarters(duration) == pytest.approx(quarters)


def test_yaml_has_no_exponents_and_quotes_text() -> None:
    lines = list(write_yaml({"a": {"b": 1e-5, "c": [1, 2.5]}, "d": "0012", "e": 3}))
    assert lines == ["a:", "  b: 0.000010000000", "  c: [1, 2.500000000000]", 'd: "0012"', "e: 3"]


@pytest.mark.parametrize(
    "specs",
    [
        {"mode": "dwarf"},
        {"number_camera_groups": 5},
        {"number_cameras_per_group": 0},
        {"enable_systematics": True, "sampling_cadence": 60},
        {"nsr": -1},
        {"seed": 2**32},
        {"magnitude": 10},
    ],
)
def test_settings_out_of_range_are_refused(specs: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TASK_TYPE.settings.model_validate({"specs": specs})


def test_missing_data_are_named_with_a_remedy(tmp_path: Path) -> None:
    context = given_psls(tmp_path)
    (tmp_path / "models" / "0012069449.gsm").unlink()
    with pytest.raises(InputError, match=r"PSLS needs .*0012069449\.gsm, which its wheel lacks.*psls_data\.sh"):
        TASK_TYPE.run(context, TASK_TYPE.settings.model_validate({"specs": SHORT}))


def test_a_failing_psls_fails_the_task(tmp_path: Path) -> None:
    context = given_psls(tmp_path, "echo SLSError: no star >&2; exit 1")
    with pytest.raises(ProgramError, match="SLSError: no star"):
        TASK_TYPE.run(context, TASK_TYPE.settings.model_validate({"specs": SHORT}))
    (tmp_path / "psls.sh").write_text("exit 0")
    context.directory = tmp_path / "again"
    context.directory.mkdir()
    with pytest.raises(OutputError, match="PSLS wrote 0 light curves; expected one"):
        TASK_TYPE.run(context, TASK_TYPE.settings.model_validate({"specs": SHORT}))


def test_other_tables_than_expected_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("# Version = 2\n1 2\n3 4\n")
    with pytest.raises(OutputError, match="has 2 columns; expected time, flux and flag"):
        read_star(tmp_path)
    (tmp_path / "a.dat").write_text("1 2 x\n")
    with pytest.raises(OutputError, match="cannot be read"):
        read_star(tmp_path)

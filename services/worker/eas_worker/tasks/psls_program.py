"""PSLS (Samadi et al. 2019, A&A 624, A117), the PLATO Solar-like Light-curve Simulator: configuration and output.

PSLS is licensed under the GPL, so it runs as a separate program and is never imported.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eas.authoring.errors import InputError, OutputError
from eas.authoring.program_results import Result, explain_exit
from eas.authoring.programs import clean_environment, run_program
from eas.authoring.task_type import TaskContext
from eas_worker.tasks.external_programs import ConfiguredCommand, read_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Mode = Literal["main_sequence", "red_giant"]

TASK_TYPE = "synthesis_psls"
#: Where `make psls` puts the star models and tables that PSLS's wheel lacks.
DEFAULT_DATA = Path(sys.prefix) / "share" / "psls"
#: Coefficients of the quadratic limb darkening in PSLS's own configuration.
LIMB_DARKENING = (0.25, 0.75)
#: Length of a quarter [d]; a last one that is shorter than the second number belongs to the one before.
QUARTER, SHORTEST_QUARTER = 90.0, 0.5
SECONDS_PER_DAY = 86400.0
#: What PSLS integrates of a cadence: 22 of 25 s.
INTEGRATED_SHARE = 22 / 25

_STARS: dict[Mode, dict[str, Any]] = {
    "main_sequence": {
        "Star": {
            "Mag": 10.0,
            "ID": 12069449,
            "ModelType": "single",
            "ModelName": "0012069449",
            "ES": "ms",
            "Teff": 5750.0,
            "Logg": 4.353,
        },
        "Oscillations": {
            "numax": 179.3,
            "delta_nu": 13.68,
            "DPI": 80.58,
            "q": 0.15,
            "SurfaceEffects": 1,
        },
        "Activity": {"Enable": 1, "Sigma": 40.0, "Tau": 0.2},
    },
    "red_giant": {
        "Star": {
            "Mag": 12.5,
            "ID": 9882316,
            "ModelType": "UP",
            "ModelName": "KIC9882316",
            "ES": "rg",
            "Teff": 5400.0,
            "Logg": 3.934,
        },
        "Oscillations": {
            "numax": 181.77120898,
            "delta_nu": 13.70885191,
            "DPI": 80.30739925,
            "q": 0.15611347,
            "SurfaceEffects": 0,
        },
        "Activity": {"Enable": 0, "Sigma": 1000.0, "Tau": 30.0},
    },
}


@dataclass(frozen=True)
class Simulation:
    """What PSLS is to simulate: a star without planets, seen by cameras.

    Parameters
    ----------
    mode
        Which star.
    duration
        [d].
    cadence
        [s]; with systematics a multiple of 25.
    nsr
        Noise-to-signal ratio of one camera [ppm sqrt(hour)].
    seed
        From 0 to 2^32 - 1.
    random_noise, systematics, mask_updates
        Whether there is noise, whether there are systematic errors, and whether these have mask updates.
    groups, cameras
        Of cameras, and in each group.
    """

    mode: Mode
    duration: float
    cadence: float
    nsr: float
    seed: int
    random_noise: bool = True
    systematics: bool = False
    mask_updates: bool = False
    groups: int = 4
    cameras: int = 6

    def configuration(self, data: Path) -> dict[str, Any]:
        """Write PSLS's configuration (2.0), with the files that it needs below `data`.

        Noise is of the type "User": of all types only that one follows `nsr`.
        """
        star = _STARS[self.mode]
        table = "PLATO_systematics_BOL_V2.npy" if self.mask_updates else "PLATO_systematics_BOL_FixedMask_V2.npy"
        return {
            "Observation": {
                "QuarterDuration": split_quarters(self.duration),
                "MasterSeed": self.seed,
                "Gaps": {"Enable": 0},
            },
            "Instrument": {
                "Sampling": self.cadence,
                "IntegrationTime": self.cadence * INTEGRATED_SHARE,
                "GroupID": list(range(1, self.groups + 1)),
                "NCamera": self.cameras,
                "TimeShift": 6.25,
                "RandomNoise": {"Enable": int(self.random_noise), "Type": "User", "NSR": self.nsr},
                "Systematics": {
                    "Enable": int(self.systematics),
                    "Table": str(data / "systematics" / table),
                    "Version": 2,
                    "DriftLevel": "low",
                    "Seed": -1,
                },
            },
            "Star": {
                **star["Star"],
                "ModelDir": str(data / "models"),
                "SurfaceRotationPeriod": 0.0,
                "CoreRotationFreq": 0.0,
                "Inclination": 0.0,
            },
            "Oscillations": {"Enable": 1, **star["Oscillations"], "Seed": -1},
            "Activity": {**star["Activity"], "Seed": -1, "Spot": {"Enable": 0}, "Flare": {"Enable": 0}},
            "Granulation": {"Enable": 1, "Type": 1, "Seed": -1},
            "Transit": {"Enable": 0},
            "External": {"Enable": 0},
        }

    def needed_files(self, data: Path) -> list[Path]:
        """List the files that PSLS will read."""
        found = self.configuration(data)
        files = [data / "models" / f"{found['Star']['ModelName']}.gsm"] if self.mode == "main_sequence" else []
        return files + ([Path(found["Instrument"]["Systematics"]["Table"])] if self.systematics else [])


@dataclass(frozen=True)
class SimulatedStar:
    """What PSLS simulated, averaged over all cameras.

    Parameters
    ----------
    fluxes
        Shape (N,), relative.
    flags
        Shape (N,), true where a quarter begins or masks were updated in any camera.
    version
        Of PSLS.
    """

    fluxes: NDArray[np.float64]
    flags: NDArray[np.bool_]
    version: str


def split_quarters(duration: float) -> list[float]:
    """Divide a duration [d] into quarters."""
    whole, rest = divmod(duration, QUARTER)
    quarters = [QUARTER] * int(whole)
    if rest >= SHORTEST_QUARTER or not quarters:
        return [*quarters, rest]
    return [*quarters[:-1], QUARTER + rest]


def simulate(context: TaskContext, simulation: Simulation) -> SimulatedStar:
    """Run PSLS in the task's directory.

    Raises
    ------
    InputError
        PSLS, or a file that it needs, is not there; says how to get it.
    ProgramError
        It failed.
    OutputError
        It wrote something else than expected.
    """
    configured = read_command(context, TASK_TYPE) or ConfiguredCommand()
    command = configured.command or _installed_command()
    data = (configured.data or DEFAULT_DATA).absolute()
    if missing := [path for path in simulation.needed_files(data) if not path.is_file()]:
        raise InputError(
            f"PSLS needs {missing[0]}, which its wheel lacks: get its data with deploy/psls_data.sh FOLDER, and "
            f"where that is not {DEFAULT_DATA}, name it as data in the table [{TASK_TYPE}] of EAS_WORKER_COMMANDS"
        )
    folder = context.directory / "psls"
    folder.mkdir(mode=0o700)
    configuration = context.directory / "psls.yaml"
    configuration.write_text("\n".join(write_yaml(simulation.configuration(data))) + "\n", "utf-8")
    environment = clean_environment(
        context.directory, cpus=context.cpus, passed=configured.pass_environment, added=configured.environment
    )
    ending = run_program(
        [*command, "-o", f"{folder.name}", configuration.name], directory=context.directory, environment=environment
    )
    if (error := explain_exit(ending.status, Result(), ending.last_words)) is not None:
        raise error
    return read_star(folder)


def read_star(folder: Path) -> SimulatedStar:
    """Read what PSLS wrote into a folder.

    Raises
    ------
    OutputError
        There is not one light curve, or it is no table of three columns.
    """
    import numpy as np

    files = list(folder.glob("*.dat"))
    if len(files) != 1:
        raise OutputError(f"PSLS wrote {len(files)} light curves; expected one")
    with files[0].open(encoding="utf-8") as file:
        header = [line for line in (file.readline() for _ in range(8)) if line.startswith("#")]
    version = next((line.partition("=")[2].strip() for line in header if "Version" in line), "unknown")
    try:
        table = np.loadtxt(files[0], dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise OutputError(f"the light curve of PSLS cannot be read: {error}") from error
    if table.shape[1] != 3:
        raise OutputError(f"the light curve of PSLS has {table.shape[1]} columns; expected time, flux and flag")
    return SimulatedStar(1 + 1e-6 * table[:, 1], table[:, 2] > 0, version)


def write_yaml(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Write nested tables as YAML. Numbers get no exponent, for YAML 1.1 takes ``1e-05`` for text."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from write_yaml(value, indent + "  ")
        else:
            yield f"{indent}{key}: {_write_value(value)}"


def _write_value(value: Any) -> str:
    match value:
        case float():
            return f"{value:.12f}"
        case list():
            return f"[{', '.join(_write_value(item) for item in value)}]"
        case _:
            return json.dumps(value)


def _installed_command() -> list[str]:
    if importlib.util.find_spec("psls") is None:
        raise InputError(
            "synthesis_psls needs PSLS: pip install 'plato-eas[psls]', or name its command in the table "
            f"[{TASK_TYPE}] of the file that EAS_WORKER_COMMANDS names"
        )
    return [sys.executable, "-c", "import sys, psls; sys.exit(psls.main())"]

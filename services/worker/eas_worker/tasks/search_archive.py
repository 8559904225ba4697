"""The archive that a transit search writes on demand: its periodogram, its settings and results, and its log."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eas.authoring.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eas_worker.science.transit_signal import Periodogram, SearchFindings

ARCHIVE_TYPE = "application/gzip"
PERIODOGRAM = "periodogram.csv"
HEADER = "period [d],power"


def write_archive(path: Path, findings: SearchFindings, described: dict[str, Any]) -> None:
    """Write a tar.gz of ``periodogram.csv``, ``settings.json``, ``log.txt`` and the search's own tables.

    Same content, same bytes.
    """
    import numpy as np

    spectrum = np.column_stack((findings.periodogram.periods, findings.periodogram.power))
    members = {
        PERIODOGRAM: _format(spectrum, HEADER, ("%.12g", "%.8g")),
        **{name: _format(table.rows, table.header, "%.12g") for name, table in findings.tables.items()},
        "settings.json": json.dumps(described, indent=2, sort_keys=True) + "\n",
        "log.txt": "".join(f"{message}\n" for message in findings.messages),
    }
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=4, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for name, text in members.items():
            content = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _format(rows: NDArray[np.float64], header: str, form: str | tuple[str, ...]) -> str:
    import numpy as np

    text = io.StringIO()
    np.savetxt(text, rows, fmt=form, delimiter=",", header=header, comments="")
    return text.getvalue()


def read_periodogram(path: Path) -> Periodogram:
    """Read the periodogram of an archive.

    Raises
    ------
    InputError
        It is not such an archive, or its table is broken.
    """
    import numpy as np

    from eas_worker.science.transit_signal import Periodogram

    try:
        with tarfile.open(path, mode="r:gz") as archive:
            member = archive.extractfile(PERIODOGRAM)
            if member is None:
                raise InputError(f"{path.name}: {PERIODOGRAM} is not a file")
            table = np.loadtxt(io.TextIOWrapper(member, "utf-8"), delimiter=",", skiprows=1, ndmin=2)
    except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error, ValueError) as error:
        raise InputError(f"{path.name}: expected a transit search's archive with a {PERIODOGRAM}: {error}") from error
    if table.shape[1] != 2 or not np.isfinite(table).all() or (np.diff(table[:, 0]) <= 0).any():
        raise InputError(f"{path.name}: {PERIODOGRAM} must have two columns of numbers, periods ascending")
    return Periodogram(table[:, 0].copy(), table[:, 1].copy())

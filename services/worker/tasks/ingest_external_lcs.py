"""`ingest_external_lcs`: take light curves from the worker's input directory into the product store.

Each file becomes a product of the semantic type `lightcurve_` and its number. Files that are ingested again, by any
job, become new versions, and equal bytes are stored once. With a declared output `lightcurve` there is one file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from services.worker.domain.errors import InputError
from services.worker.domain.task_type import Slot, TaskContext, TaskSettings, TaskType
from services.worker.tasks.light_curve_files import (
    check_light_curves,
    describe_file,
    input_errors,
    mime_type_of,
    write_light_curve_output,
)
from shared.contracts.metadata import Metadata

if TYPE_CHECKING:
    from shared.lightcurve import LightCurve

_KNOWN_SUFFIXES = (".gz", ".fits", ".fit", ".csv", ".txt", ".dat", ".lcsg", ".npz")


class IngestSettings(TaskSettings):
    """Settings of `ingest_external_lcs`."""

    lc_type: Literal["auto", "lcsg", "fits", "csv", "text", "npz"] = Field(
        default="auto", description="Format of the files; auto recognises each by its content."
    )
    input_path: str = Field(
        default="lightcurves_v2/csvs/bright/plato_bright*",
        min_length=1,
        description="Which files: a pattern (* ? [] **) below the worker's input directory.",
    )
    time_system: str | None = Field(
        default=None, description="Time system where the files do not say it: BTJD, BKJD, BJD_TDB, relative ..."
    )
    flux_column: str | None = Field(default=None, description="Column of FITS files; default PDCSAP_FLUX.")


def run(context: TaskContext, settings: IngestSettings) -> Metadata:
    """Read every file that matches and hand it over.

    With a declared output `lightcurve` exactly one file must match. Without it, each file becomes a product of its
    own, in the order of the names, and none is a success with nothing ingested.
    """
    paths = find_files(context.input_directory, settings.input_path)
    if context.wants("lightcurve"):
        if len(paths) != 1:
            examples = ": " + ", ".join(path.name for path in paths[:5]) if paths else ""
            raise InputError(
                f"input_path {settings.input_path!r} must match one file for the output 'lightcurve', but it matches"
                f" {len(paths)}{examples}"
            )
        curve = _read(paths[0], settings)
        metadata = write_light_curve_output(context, "lightcurve", curve)
        return {**metadata, "ingested": 1}
    names = product_names(paths)
    for index, (path, name) in enumerate(zip(paths, names, strict=True)):
        _add_product(context, f"lightcurve_{index:05d}", name, _read(path, settings))
    return {"ingested": len(paths)}


def find_files(root: Path | None, pattern: str) -> list[Path]:
    """List the files below `root` that match, sorted by name.

    Raises
    ------
    InputError
        The worker has no input directory, or the pattern (or a link) leads out of it.
    """
    if root is None:
        raise InputError("this worker has no input directory: set EAS_WORKER_INPUT_DIRECTORY to read external files")
    base = root.resolve()
    relative = Path(pattern)
    if ".." in relative.parts:
        raise InputError(f"input_path {pattern!r} must not contain '..'")
    if relative.is_absolute():
        above = next((place for place in (root.absolute(), base) if relative.is_relative_to(place)), None)
        if above is None:
            raise InputError(f"input_path {pattern!r} is not below the input directory of this worker")
        relative = relative.relative_to(above)
    if not relative.parts:
        raise InputError(f"input_path {pattern!r} names no file")
    found = sorted(path for path in base.glob(str(relative)) if path.is_file())
    for path in found:
        if not path.resolve().is_relative_to(base):
            raise InputError(f"{path.relative_to(base)} is a link that leads out of the input directory")
    return found


def product_names(paths: list[Path]) -> list[str]:
    """Name the products like their files, with the suffix of what is written; a number tells namesakes apart."""
    names: list[str] = []
    for path in paths:
        stem = path.name
        while stem.lower().endswith(_KNOWN_SUFFIXES) and Path(stem).stem:
            stem = Path(stem).stem
        name, number = f"{stem}.npz", 1
        while name in names:
            number += 1
            name = f"{stem}_{number}.npz"
        names.append(name)
    return names


def _read(path: Path, settings: IngestSettings) -> LightCurve:
    from shared.lightcurve import read_light_curve

    with input_errors("external light curve"):
        return read_light_curve(
            path,
            lc_format=None if settings.lc_type == "auto" else settings.lc_type,
            time_system=settings.time_system,
            flux_column=settings.flux_column,
        )


def _add_product(context: TaskContext, slot: str, name: str, curve: LightCurve) -> None:
    from shared.lightcurve import write_light_curve

    path = context.directory / f"{slot}.npz"
    written = write_light_curve(curve, path)
    context.add_product(
        slot, path, filename=name, metadata=describe_file(curve, written), mime_type=mime_type_of(written)
    )


TASK_TYPE = TaskType(
    name="ingest_external_lcs",
    version="1",
    run=run,
    settings=IngestSettings,
    outputs=(Slot("lightcurve", required=False),),
    check=check_light_curves,
    open_outputs=True,
)

"""`ingest_external_lcs`: copy light curves from the worker's input directory into the product store.

Each file becomes a product with the semantic type `lightcurve_` and its number. If files are ingested again, by any
job, they become new versions, and equal bytes are stored once. A task with a declared output `lightcurve` ingests one
file. A file that cannot be read is listed in the log and in the result, and the others are ingested. The formats are
described in [light curves](light_curves.md).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from eas.authoring.errors import InputError
from eas.authoring.light_curve_files import (
    check_light_curves,
    describe_file,
    input_errors,
    mime_type_of,
    write_light_curve,
)
from eas.authoring.task_type import Slot, TaskContext, TaskSettings, TaskType
from eas.contracts.metadata import MAX_KEYWORD_LENGTH, Metadata
from eas.contracts.values import MAX_METADATA_BYTES, find_value_fault
from eas_worker.tasks.ingested_files import find_files, product_names, require_inside, show_name

if TYPE_CHECKING:
    from eas.lightcurve import LightCurve
    from eas.lightcurve.reading_options import ReadingOptions

logger = logging.getLogger(__name__)

#: The result names so many files that were refused, each with so many characters of the reason.
_MOST_NAMED = 20
_LONGEST_REASON = 300


def _read_bitmask(value: Any) -> Any:
    """Take a number as text for the number, and a word in any case."""
    if isinstance(value, str):
        return int(value) if value.strip().isdigit() else value.strip().lower()
    return value


class IngestSettings(TaskSettings):
    """Settings of `ingest_external_lcs`."""

    lc_type: Literal["auto", "lcsg", "fits", "csv", "text", "npz"] = Field(
        default="auto", description="Format of the files; auto detects the format of each file by its content."
    )
    input_path: str = Field(
        default="lightcurves_v2/csvs/bright/plato_bright*",
        min_length=1,
        description="Pattern (* ? [] **) of the files below the worker's input directory. Hidden files are skipped.",
    )
    time_system: str | None = Field(
        default=None,
        description="Time system of the times, such as BTJD, BKJD, BJD_TDB, relative; default: what the file states.",
    )
    time_column: str | int | None = Field(
        default=None, description="Column of the times: its name, or its number from 1 in files without a header."
    )
    flux_column: str | int | None = Field(
        default=None, description="Column of the fluxes; default: flux, PDCSAP_FLUX or what the pipeline corrected."
    )
    error_column: str | int | None = Field(default=None, description="Column of the uncertainties.")
    quality_column: str | int | None = Field(
        default=None,
        description="The only column that flags samples; default: all quality columns (QUALITY, flags ...).",
    )
    quality_bitmask: Annotated[
        Literal["none", "default", "hard", "hardest"] | Annotated[int, Field(ge=0, le=2**63 - 1)],
        BeforeValidator(_read_bitmask),
    ] = Field(
        default="default",
        description="Bits that flag a sample: a set of the mission in one of three strengths, none, or a number.",
    )
    time_unit: Literal["d", "h", "min", "s"] | None = Field(
        default=None, description="Unit of the times; default: what the file states, otherwise days."
    )
    flux_unit: Literal["flux", "fraction", "percent", "ppt", "ppm", "mag"] | None = Field(
        default=None,
        description="Unit of the fluxes: unchanged (flux), parts of 1, or magnitudes; default: what the file states.",
    )
    hdu: str | int | None = Field(
        default=None, description="HDU of FITS files, by name or number; default: the only light-curve HDU."
    )
    repeated_times: Literal["refuse", "first"] = Field(
        default="refuse",
        description="Several samples at one time: refuse the file, or keep the first good sample.",
    )


def run(context: TaskContext, settings: IngestSettings) -> Metadata:
    """Read every file that matches and hand it over.

    With a declared output `lightcurve` exactly one file must match. Without it, each file becomes a product of its
    own, in the order of the names, and none is a success with nothing ingested. Files that cannot be read are refused:
    the result counts and names them, and if no file can be read the task fails.
    """
    paths = find_files(context.input_directory, settings.input_path)
    if context.wants("lightcurve"):
        return _ingest_one(context, settings, paths)
    refused: list[Metadata] = []
    ingested = 0
    for path, name in zip(paths, product_names(paths), strict=True):
        try:
            curve = _read(context, path, settings)
            _add_product(context, f"lightcurve_{ingested:05d}", name, curve)
        except InputError as error:
            refused.append(_describe_refusal(path, str(error)))
            logger.warning("refused: %s", show_name(str(error)))
        else:
            ingested += 1
    if refused and not ingested:
        examples = "; ".join(str(refusal["reason"]) for refusal in refused[:3])
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise InputError(f"none of the {len(paths)} files can be read as a light curve: {examples}{more}")
    if not refused:
        return {"ingested": ingested}
    return {"ingested": ingested, "refused": len(refused), "refused_files": refused[:_MOST_NAMED]}


def _ingest_one(context: TaskContext, settings: IngestSettings, paths: list[Path]) -> Metadata:
    if len(paths) != 1:
        examples = ": " + ", ".join(show_name(path.name) for path in paths[:5]) if paths else ""
        raise InputError(
            f"input_path {settings.input_path!r} must match one file for the output 'lightcurve', but it matches"
            f" {len(paths)}{examples}"
        )
    metadata = write_light_curve(context, "lightcurve", _read(context, paths[0], settings))
    return {**metadata, "ingested": 1}


def _read(context: TaskContext, path: Path, settings: IngestSettings) -> LightCurve:
    """Read a file in the order of time.

    Raises
    ------
    InputError
        It leads out of the input directory, is no light curve, or has no good sample.
    """
    from eas.lightcurve import read_light_curve
    from eas.lightcurve.curve_building import explain_no_good_sample
    from eas.lightcurve.ordering import order_samples

    require_inside(context.input_directory, path)
    try:
        with input_errors("external light curve"):
            curve = read_light_curve(
                path,
                lc_format=None if settings.lc_type == "auto" else settings.lc_type,
                options=_options(settings),
            )
    except InputError:
        raise
    except Exception as error:
        logger.exception("cannot read %s", show_name(str(path)))
        raise InputError(f"external light curve: {path.name}: {type(error).__name__}: {error}") from error
    with input_errors(f"external light curve: {path.name}"):
        curve = order_samples(curve, repeated_times=settings.repeated_times, name=path.name)
    if not curve.good_samples().any():
        raise InputError(f"external light curve: {path.name}: {explain_no_good_sample(curve)}")
    if "filename" in curve.metadata:
        curve.metadata["filename"] = show_name(path.name)
    return curve


def _options(settings: IngestSettings) -> ReadingOptions:
    from eas.lightcurve.reading_options import ReadingOptions

    columns = {
        name: None if (column := getattr(settings, name)) is None else str(column)
        for name in ("time_column", "flux_column", "error_column", "quality_column")
    }
    return ReadingOptions(
        time_system=settings.time_system,
        time_unit=settings.time_unit,
        flux_unit=settings.flux_unit,
        quality_bitmask=settings.quality_bitmask,
        hdu=settings.hdu,
        **columns,
    )


def _add_product(context: TaskContext, slot: str, name: str, curve: LightCurve) -> None:
    from eas.lightcurve import LightCurveError, write_light_curve

    path = context.directory / f"{slot}.npz"
    try:
        written = write_light_curve(curve, path)
    except LightCurveError as error:
        raise InputError(f"external light curve: {error}") from error
    metadata = describe_file(curve, written)
    fault = find_value_fault(metadata, most_bytes=MAX_METADATA_BYTES)
    if fault is not None:
        raise InputError(f"external light curve: {_named(curve)}metadata of the file cannot be kept: {fault}")
    if (long := next((key for key in metadata if not 0 < len(key) <= MAX_KEYWORD_LENGTH), None)) is not None:
        raise InputError(
            f"external light curve: {_named(curve)}metadata keyword {long[:80]!r} of the file:"
            f" expected 1 to {MAX_KEYWORD_LENGTH} characters"
        )
    context.add_product(slot, path, filename=name, metadata=metadata, mime_type=mime_type_of(written))


def _named(curve: LightCurve) -> str:
    """Begin a message with the name of the file, if the curve knows it."""
    return f"{curve.metadata['filename']}: " if "filename" in curve.metadata else ""


def _describe_refusal(path: Path, reason: str) -> Metadata:
    shown = show_name(reason.removeprefix("external light curve: "))
    return {"file": show_name(path.name), "reason": shown[:_LONGEST_REASON]}


TASK_TYPE = TaskType(
    name="ingest_external_lcs",
    version="2",
    run=run,
    settings=IngestSettings,
    outputs=(Slot("lightcurve", required=False),),
    check=check_light_curves,
    open_outputs=True,
)

"""Between task slots and light curves: open an input, write an output, check what was written.

numpy is imported when a light curve is, not with this module: the supervisor reads task modules for their settings.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from eas.authoring.errors import InputError, OutputError
from eas.authoring.task_type import OutputFile, TaskContext, Verdict
from eas.contracts.metadata import Metadata, MetadataValue
from eas.contracts.values import find_value_fault

if TYPE_CHECKING:
    from eas.lightcurve import LightCurve

LOGGER = logging.getLogger(__name__)

#: Metadata of a product version that describe its file and how that was read, not the light curve in it; they do not
#: travel on.
FILE_KEYWORDS = frozenset(
    {
        *("binary", "gzipped", "samples", "flagged_samples", "time_system", "time_column", "error_column", "flux_unit"),
        *("quality_columns", "quality_mask", "quality_bitmask"),
    }
)


def open_light_curve(context: TaskContext, slot: str) -> LightCurve:
    """Read the light curve of an input slot.

    Its metadata are the file's, overlaid by the product version's.

    Raises
    ------
    InputError
        The job declares no such input, or its file is no light curve.
    """
    from eas.lightcurve import read_light_curve
    from eas.lightcurve.reading_options import ReadingOptions

    if slot not in context.inputs:
        raise InputError(f"the job declares no input {slot!r}, which must be a light curve")
    file = context.inputs[slot]
    # Text that EAS wrote has times in seconds; files of others say what they have, or are refused.
    options = ReadingOptions(time_unit="s") if file.metadata.get("binary") is False else None
    with input_errors(f"input {slot!r}"):
        curve = read_light_curve(file.path, metadata=file.metadata, options=options)
    curve.metadata = {key: value for key, value in curve.metadata.items() if key not in FILE_KEYWORDS}
    return _without_impossible_uncertainties(curve, slot)


def _without_impossible_uncertainties(curve: LightCurve, slot: str) -> LightCurve:
    """Take uncertainties that are negative or not finite for unknown (0), and say so."""
    import numpy as np

    usable = np.isfinite(curve.uncertainties) & (curve.uncertainties >= 0)
    if usable.all():
        return curve
    LOGGER.warning(
        "input %r: %d of %d uncertainties are negative or not finite and count as unknown",
        slot,
        len(curve) - np.count_nonzero(usable),
        len(curve),
    )
    return curve.with_samples(curve.fluxes, np.where(usable, curve.uncertainties, 0.0), curve.flags, curve.metadata)


def read_light_curve(context: TaskContext, slot: str) -> LightCurve:
    """Read the light curve of an input slot and make sure that at least one sample is finite and unflagged.

    Raises
    ------
    InputError
        As `open_light_curve`, or there is no such sample.
    """
    from eas.lightcurve.curve_building import explain_no_good_sample

    curve = open_light_curve(context, slot)
    if not curve.good_samples().any():
        reason = explain_no_good_sample(curve)
        raise InputError(f"input {slot!r}: none of the {len(curve)} samples is finite and unflagged: {reason}")
    return curve


@contextmanager
def input_errors(what: str) -> Iterator[None]:
    """Turn the errors of light curves and of opening files into an `InputError` that starts with `what`."""
    from eas.lightcurve import LightCurveError

    try:
        yield
    except (LightCurveError, OSError) as error:
        raise InputError(f"{what}: {error}") from error


def describe_file(curve: LightCurve, written: Mapping[str, MetadataValue], samples: int | None = None) -> Metadata:
    """Make the metadata of a product version: the light curve's own, and those that describe the file.

    Raises
    ------
    OutputError
        A value is NaN or infinite.
    """
    metadata: Metadata = {
        **curve.metadata,
        **written,
        "samples": len(curve) if samples is None else samples,
        "flagged_samples": int(curve.flags.sum()),
        "time_system": curve.time_system,
    }
    if (fault := find_value_fault(metadata)) is not None and fault.is_not_finite:
        raise OutputError(f"metadata {fault.where!r} of the light curve is not finite")
    return metadata


def write_light_curve(context: TaskContext, slot: str, curve: LightCurve, *, samples: int | None = None) -> Metadata:
    """Write the light curve of a declared output slot and hand it over.

    Parameters
    ----------
    context
        Of the running task.
    slot
        The output slot; the suffix of the filename that the job gave it decides on the format.
    curve
        What to write.
    samples
        The promised length, which quality control compares with the file; the curve's length if left out.

    Returns
    -------
    Metadata
        Those of the new product version.

    Raises
    ------
    OutputError
        The job declares no such output, or the metadata are not finite.
    InputError
        The filename promises a format that is not written.
    """
    from eas.lightcurve import write_light_curve

    path = context.path_for(slot)
    with input_errors(f"output {slot!r}"):
        written = write_light_curve(curve, path)
    metadata = describe_file(curve, written, samples)
    context.add_output(slot, path, metadata=metadata, mime_type=mime_type_of(written))
    return metadata


def mime_type_of(written: Mapping[str, MetadataValue]) -> str:
    """Name the media type of what `write_light_curve` said it wrote."""
    if written["binary"]:
        return "application/octet-stream"
    return "application/gzip" if written["gzipped"] else "text/plain"


def check_light_curves(context: TaskContext, metadata: Metadata) -> list[Verdict]:  # noqa: ARG001
    """Quality control of every output of a task that writes nothing but light curves."""
    return [check_light_curve_file(file) for file in context.outputs]


def check_light_curve_file(file: OutputFile) -> Verdict:
    """Read a light curve back: it parses, has the promised length, increasing times and finite unflagged fluxes."""
    from eas.lightcurve import LightCurveError, read_light_curve

    try:
        curve = read_light_curve(file.path)
    except (LightCurveError, OSError) as error:
        return Verdict(passed=False, reason=f"the light curve does not read back: {error}", slot=file.slot)
    reason = _find_fault(curve, file.metadata)
    return Verdict(passed=not reason, reason=reason, slot=file.slot)


def _find_fault(curve: LightCurve, promised: Mapping[str, MetadataValue]) -> str:
    """Say what is wrong with a light curve; nothing if all is well."""
    import numpy as np

    samples = promised.get("samples", len(curve))
    if len(curve) != samples:
        return f"the light curve has {len(curve)} samples; {samples} were promised"
    backward = np.flatnonzero(np.diff(curve.times) <= 0)
    if len(backward):
        return f"the times do not strictly increase: see sample {int(backward[0]) + 1}"
    # Text readers flag what is not finite, so a larger number of flags than was written betrays it, too.
    flagged = promised.get("flagged_samples", int(curve.flags.sum()))
    if curve.flags.sum() != flagged or not np.isfinite(curve.fluxes[~curve.flags]).all():
        return "fluxes that are not finite are not flagged"
    if not np.isfinite(curve.uncertainties).all():
        return "not every uncertainty is finite"
    return "" if curve.good_samples().any() else "no sample is finite and unflagged"

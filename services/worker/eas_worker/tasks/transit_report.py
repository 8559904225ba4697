"""`transit_report`: write a one-page report on a transit candidate as PNG and HTML, with vetting numbers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field

from eas.authoring.errors import InputError
from eas.authoring.example_curves import make_example_light_curve
from eas.authoring.light_curve_files import input_errors, read_light_curve
from eas.authoring.task_type import Example, Slot, TaskContext, TaskSettings, TaskType, Verdict
from eas.contracts.metadata import Metadata
from eas_worker.tasks.search_archive import read_periodogram

if TYPE_CHECKING:
    from eas.lightcurve import LightCurve
    from eas_worker.science.page_arrays import Series
    from eas_worker.science.report_page import ReportPage
    from eas_worker.science.transit_signal import TransitSignal

LOGGER = logging.getLogger(__name__)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"


class Candidate(TaskSettings):
    """The output metadata of a transit search, as they are: further keys are welcome."""

    model_config = ConfigDict(extra="allow")

    period: float = Field(gt=0, description="Period [d].")
    epoch: float = Field(description="A mid-transit time [d], in the time system of the curve.")
    duration: float = Field(gt=0, description="First to last contact [d].")
    transit_depth: float = Field(ge=0, le=1, description="1 - flux level.")


class ReportSettings(TaskSettings):
    """Settings of `transit_report`."""

    candidate: Candidate = Field(description="Output metadata of a transit search.")
    title: str = Field(default="", max_length=500, description="Heading; default: the object's name.")
    lc_duration: float | None = Field(
        default=None, gt=0, description="Length of the curve to report on, from its first sample; default: all [d]."
    )
    star_radius: float | None = Field(
        default=None, gt=0, description="Stellar radius; default: from the curve's metadata [solar radii]."
    )


def run(context: TaskContext, settings: ReportSettings) -> Metadata:
    """Measure the candidate on the curve that was searched, and draw the page."""
    from eas_worker.science.page_arrays import Series
    from eas_worker.science.report_numbers import list_numbers, list_rows
    from eas_worker.science.report_page import ReportPage, draw_page
    from eas_worker.science.searched_samples import SearchedSamples
    from eas_worker.science.vetting import vet_candidate

    curve = _open_stretch(context, "lightcurve", settings)
    samples = SearchedSamples.of(curve.times, curve.fluxes, purpose="a report")
    for message in samples.messages:
        LOGGER.info("%s", message)
    searched = Series(samples.times, samples.fluxes)
    vetting = vet_candidate(searched.times, searched.fluxes, _signal(settings.candidate))
    star_radius = settings.star_radius or find_star_radius(curve.metadata)
    rows = list_rows(vetting, star_radius, settings.candidate.model_dump(), curve.time_system)
    title = settings.title or str(curve.metadata.get("object", "")) or "Transit candidate"
    page = ReportPage(
        title=title,
        subtitle=_describe(curve, settings.candidate),
        time_system=curve.time_system,
        searched=searched,
        vetting=vetting,
        raw=_read_raw(context, settings) if "raw" in context.inputs else None,
        periodogram=read_periodogram(context.inputs["debugging"].path) if "debugging" in context.inputs else None,
        power_label="power" if "power" in (settings.candidate.model_extra or {}) else "SDE",
        numbers=rows,
    )
    numbers = list_numbers(vetting, star_radius)
    path = context.path_for("report_png")
    draw_page(page, path)
    context.add_output("report_png", path, metadata=numbers, mime_type="image/png")
    if context.wants("report_html"):
        _write_html(context, page, path)
    return {**numbers, "title": title}


def _write_html(context: TaskContext, page: ReportPage, picture: Path) -> None:
    from eas_worker.science.report_html import write_html

    path = context.path_for("report_html")
    path.write_text(write_html(page.title, page.subtitle, page.numbers, picture.read_bytes()), "utf-8")
    context.add_output("report_html", path, mime_type="text/html")


def _open_stretch(context: TaskContext, slot: str, settings: ReportSettings) -> LightCurve:
    from eas.lightcurve.arrays import require_increasing

    curve = read_light_curve(context, slot)
    with input_errors(f"input {slot!r}"):
        require_increasing(curve.times)
    if settings.lc_duration is not None:
        first = float(curve.times[0])
        curve = curve.truncate(first, first + settings.lc_duration)
    return curve.good()


def _read_raw(context: TaskContext, settings: ReportSettings) -> Series:
    from eas_worker.science.page_arrays import Series

    curve = _open_stretch(context, "raw", settings)
    if not len(curve):
        raise InputError(f"input 'raw': no good sample within lc_duration, {settings.lc_duration:g} d")
    return Series(curve.times, curve.fluxes)


def _signal(candidate: Candidate) -> TransitSignal:
    from eas_worker.science.transit_signal import TransitSignal

    return TransitSignal(candidate.period, candidate.epoch, candidate.duration, candidate.transit_depth)


def find_star_radius(metadata: Metadata) -> float | None:
    """Find the stellar radius [solar]: `star_radius` of a synthetic star [Jupiter radii], or `radius` [solar]."""
    from eas_worker.science.constants import JUPITER_RADIUS, SUN_RADIUS

    for name, unit in (("star_radius", JUPITER_RADIUS / SUN_RADIUS), ("radius", 1.0)):
        value = metadata.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value) * unit
    return None


def _describe(curve: LightCurve, candidate: Candidate) -> str:
    parts = [f"{len(curve)} samples over {curve.duration():.1f} d, every {curve.sampling_interval() * 86400:.0f} s"]
    if curve.metadata.get("mission"):
        parts.insert(0, str(curve.metadata["mission"]))
    for keyword, form in (("teff", "Teff {:.0f} K"), ("logg", "log g {:.2f}"), ("tess_magnitude", "Tmag {:.2f}")):
        if isinstance(value := curve.metadata.get(keyword), int | float):
            parts.append(form.format(value))
    parts.append(f"P = {candidate.period:.5f} d, depth {candidate.transit_depth * 1e6:.0f} ppm (search)")
    return "   ·   ".join(parts)


def check(context: TaskContext, metadata: Metadata) -> list[Verdict]:
    """Quality control: the picture is a whole PNG, and the HTML holds it."""
    verdicts = []
    for file in context.outputs:
        content = file.path.read_bytes()
        if file.slot == "report_png":
            whole = content.startswith(PNG_SIGNATURE) and content.endswith(PNG_END)
            verdicts.append(Verdict(passed=whole, reason="" if whole else "not a whole PNG", slot=file.slot))
        else:
            whole = b"data:image/png;base64," in content and content.rstrip().endswith(b"</html>")
            verdicts.append(Verdict(passed=whole, reason="" if whole else "not a whole HTML page", slot=file.slot))
    return verdicts


TASK_TYPE = TaskType(
    name="transit_report",
    version="2",
    run=run,
    settings=ReportSettings,
    uses_seed=False,
    inputs=(Slot("lightcurve"), Slot("raw", required=False), Slot("debugging", required=False)),
    outputs=(
        Slot("report_png", mime_type="image/png"),
        Slot("report_html", required=False, mime_type="text/html"),
    ),
    check=check,
    example=Example(
        settings={"candidate": {"period": 3.0, "epoch": 1.0, "duration": 0.2, "transit_depth": 0.01}},
        inputs={"lightcurve": make_example_light_curve},
    ),
)

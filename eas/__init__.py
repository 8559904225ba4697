"""What authors of task types import. These names are kept stable; everything else in this distribution may move.

numpy is imported with the first light curve, not with this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from services.worker.domain.declaration import DeclarationError, accept, quality_check, reject, task_type
from services.worker.domain.errors import InputError, OutputError, TaskError
from services.worker.domain.quality import Findings, QualityCheck
from services.worker.domain.task_type import (
    Estimate,
    Example,
    InputFile,
    OutputFile,
    Slot,
    TaskContext,
    TaskSettings,
    TaskType,
    Verdict,
)
from services.worker.tasks.example_curves import make_example_light_curve
from services.worker.tasks.executables import load_executable
from services.worker.tasks.light_curve_files import check_light_curve_file, check_light_curves
from services.worker.tasks.light_curve_files import open_good_light_curve as read_light_curve
from services.worker.tasks.light_curve_files import write_light_curve_output as write_light_curve
from shared.contracts.metadata import Metadata

if TYPE_CHECKING:
    from shared.lightcurve import FixedStepLightCurve, LightCurve, LightCurveError

#: Names that need numpy; they are imported when they are asked for.
_LIGHT_CURVES = frozenset({"FixedStepLightCurve", "LightCurve", "LightCurveError"})

__all__ = [
    "DeclarationError",
    "Estimate",
    "Example",
    "Field",
    "Findings",
    "FixedStepLightCurve",
    "InputError",
    "InputFile",
    "LightCurve",
    "LightCurveError",
    "Metadata",
    "OutputError",
    "OutputFile",
    "QualityCheck",
    "Slot",
    "TaskContext",
    "TaskError",
    "TaskSettings",
    "TaskType",
    "Verdict",
    "accept",
    "check_light_curve_file",
    "check_light_curves",
    "load_executable",
    "make_example_light_curve",
    "quality_check",
    "read_light_curve",
    "reject",
    "task_type",
    "write_light_curve",
]


def __getattr__(name: str) -> object:
    if name in _LIGHT_CURVES:
        from shared import lightcurve

        return getattr(lightcurve, name)
    raise AttributeError(f"module 'eas' has no attribute {name!r}")

"""What authors of task types import. These names are stable; everything else in this distribution may move.

A name is imported when it is first used, so that a service or the `eas` command loads only what it needs. `eas.client`
connects to a running suite, `eas.lightcurve` reads and writes light curves, and `eas.logging` sends log records.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import Field

    from eas.authoring.declaration import DeclarationError, accept, quality_check, reject, task_type
    from eas.authoring.errors import InputError, OutputError, TaskError
    from eas.authoring.example_curves import make_example_light_curve
    from eas.authoring.executables import load_executable
    from eas.authoring.light_curve_files import (
        check_light_curve_file,
        check_light_curves,
        read_light_curve,
        write_light_curve,
    )
    from eas.authoring.quality import Findings, QualityCheck
    from eas.authoring.task_type import (
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
    from eas.contracts.metadata import Metadata
    from eas.lightcurve import FixedStepLightCurve, LightCurve, LightCurveError

#: Name to the module that defines it.
_MODULES = {
    "DeclarationError": "eas.authoring.declaration",
    "Estimate": "eas.authoring.task_type",
    "Example": "eas.authoring.task_type",
    "Field": "pydantic",
    "Findings": "eas.authoring.quality",
    "FixedStepLightCurve": "eas.lightcurve",
    "InputError": "eas.authoring.errors",
    "InputFile": "eas.authoring.task_type",
    "LightCurve": "eas.lightcurve",
    "LightCurveError": "eas.lightcurve",
    "Metadata": "eas.contracts.metadata",
    "OutputError": "eas.authoring.errors",
    "OutputFile": "eas.authoring.task_type",
    "QualityCheck": "eas.authoring.quality",
    "Slot": "eas.authoring.task_type",
    "TaskContext": "eas.authoring.task_type",
    "TaskError": "eas.authoring.errors",
    "TaskSettings": "eas.authoring.task_type",
    "TaskType": "eas.authoring.task_type",
    "Verdict": "eas.authoring.task_type",
    "accept": "eas.authoring.declaration",
    "check_light_curve_file": "eas.authoring.light_curve_files",
    "check_light_curves": "eas.authoring.light_curve_files",
    "load_executable": "eas.authoring.executables",
    "make_example_light_curve": "eas.authoring.example_curves",
    "quality_check": "eas.authoring.declaration",
    "read_light_curve": "eas.authoring.light_curve_files",
    "reject": "eas.authoring.declaration",
    "task_type": "eas.authoring.declaration",
    "write_light_curve": "eas.authoring.light_curve_files",
}

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
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'eas' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)

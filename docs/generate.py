"""Write the reference pages, and the list of task types, that follow from the code: ``python docs/generate.py``.

A test compares them with it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from eas.authoring.task_type import Slot, TaskSettings, TaskType
from eas_logging.settings import LoggingSettings
from eas_product_store.settings import ProductStoreSettings
from eas_scheduler.settings import SchedulerSettings
from eas_worker.settings import WorkerSettings
from eas_worker.storage.task_types import describe_task_type

FOLDER = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py; edit the code that it describes. -->\n"


def write_settings() -> str:
    """List every environment variable of every service."""
    services: list[tuple[str, type[BaseSettings]]] = [
        ("Scheduler", SchedulerSettings),
        ("Product store", ProductStoreSettings),
        ("Log service", LoggingSettings),
        ("Worker", WorkerSettings),
    ]
    parts = [
        f"# Settings\n\n{NOTE}",
        "Each process reads its settings from the environment when it starts. `eas up` sets them for its services and "
        "workers. Database URLs that are set in the environment take precedence; the others are derived from "
        "`EAS_DATABASE` (see [operations](operations.md#databases)).\n",
    ]
    for title, model in services:
        prefix = model.model_config.get("env_prefix", "")
        parts += [f"## {title}\n", "| Variable | Default | Meaning |\n|---|---|---|"]
        parts += [
            f"| `{prefix}{name.upper()}` | {_default(field.get_default(call_default_factory=False), field)} "
            f"| {_cell(field.description or '')} |"
            for name, field in model.model_fields.items()
        ]
        parts.append("")
    return "\n".join(parts)


def write_task_types() -> str:
    """Describe every task type with its slots and settings."""
    parts = [
        f"# Task types\n\n{NOTE}",
        "The possible values of `task` in a job, in addition to the flow control of "
        "[the job language](job_language.md). Units are in square brackets.\n",
    ]
    for entry in find_shipped():
        task_type: TaskType = entry.load()
        module = importlib.import_module(entry.module)
        summary = (module.__doc__ or "").strip().partition(": ")[2]
        parts += [f"## `{task_type.name}`\n", f"{summary[:1].upper()}{' '.join(summary[1:].split())}\n"]
        parts += list(_slots("Inputs", task_type.inputs)) + list(_slots("Outputs", task_type.outputs))
        rows = list(_settings_rows(task_type.settings, ""))
        if rows:
            parts += ["| Setting | Default | Meaning |\n|---|---|---|", *rows, ""]
    return "\n".join(parts)


def find_shipped() -> list[EntryPoint]:
    """Find the task types of this distribution, whatever else is installed."""
    found = [entry for entry in entry_points(group="eas.task_types") if entry.module.startswith("eas_worker.")]
    return sorted(found, key=lambda entry: entry.name)


def write_shipped_task_types() -> str:
    """Describe every task type as workers announce it, for schedulers that have not heard of any worker."""
    described = [describe_task_type(entry.load()).model_dump(mode="json") for entry in find_shipped()]
    return json.dumps(described, indent=1)


def _slots(title: str, slots: tuple[Slot, ...]) -> Iterator[str]:
    if slots:
        names = ", ".join(f"`{slot.name}`{'' if slot.required else ' (optional)'}" for slot in slots)
        yield f"{title}: {names}\n"


def _settings_rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        inner = isinstance(annotation, type) and issubclass(annotation, TaskSettings)
        default = "see below" if inner and not field.is_required() else _default(field.default, field)
        yield f"| `{prefix}{name}` | {default} | {_cell(field.description or '')} |"
        if inner:
            yield from _settings_rows(annotation, f"{prefix}{name}.")


def _default(value: Any, field: Any) -> str:
    if field.is_required():
        return "**mandatory**"
    if field.default_factory is not None or value is PydanticUndefined:
        return "generated at the start"
    if value is None:
        return "none"
    return f"`{value if not isinstance(value, str) else value or ''}`" if value != "" and value != () else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


PAGES = {"settings.md": write_settings, "task_types.md": write_task_types}


#: What is written elsewhere, by its path in the repository.
OTHERS = {"services/scheduler/eas_scheduler/storage/shipped_task_types.json": write_shipped_task_types}


def main() -> None:
    """Write all pages, and what else follows from the code."""
    written = {f"docs/{name}": write for name, write in PAGES.items()} | OTHERS
    for name, write in written.items():
        (FOLDER.parent / name).write_text(write().rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()

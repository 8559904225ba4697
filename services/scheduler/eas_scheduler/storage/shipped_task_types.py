"""The task types that EAS ships, known before any worker has announced them, without importing them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from eas.contracts.scheduler import TaskTypeDescription

#: Written by ``python docs/generate.py``; a test compares it with what workers announce.
FILE = Path(__file__).with_name("shipped_task_types.json")


@cache
def read_shipped_task_types() -> dict[str, TaskTypeDescription]:
    """Read the descriptions of all task types that EAS ships, by name."""
    descriptions = TypeAdapter(list[TaskTypeDescription]).validate_json(FILE.read_bytes())
    return {found.name: found for found in descriptions}

"""What a benchmark gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    value: float
    unit: str
    remark: str = ""


def peak_memory(process_id: int) -> float:
    """Read the highest memory that a process ever had [MB]."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return float(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

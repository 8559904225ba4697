"""Run benchmarks and write their figures to build/bench.json: ``python -m tests.benchmarks [name ...]``."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.grid import measure_cost_curve, measure_grid
from tests.benchmarks.lightcurves import measure_light_curves
from tests.benchmarks.listing import measure_listing
from tests.benchmarks.logs import measure_logs
from tests.benchmarks.memory import measure_memory
from tests.benchmarks.null_tasks import measure_null_tasks, measure_null_tasks_on_servers
from tests.benchmarks.storing import measure_products
from tests.benchmarks.worker import measure_worker


def measure_recovery() -> dict[str, Figure]:
    """Import the science only where it is measured."""
    from tests.benchmarks import recovery

    return recovery.measure_recovery()


BENCHMARKS: dict[str, Callable[[], dict[str, Figure]]] = {
    "null_tasks": measure_null_tasks,
    "null_tasks_on_servers": measure_null_tasks_on_servers,
    "grid": measure_grid,
    "cost_curve": measure_cost_curve,
    "products": measure_products,
    "listing": measure_listing,
    "logs": measure_logs,
    "lightcurves": measure_light_curves,
    "memory": measure_memory,
    "recovery": measure_recovery,
    "worker": measure_worker,
}
#: They take minutes to most of an hour and measure no speed: run by name only.
BY_NAME_ONLY = {"memory", "recovery"}
TARGET = Path("build/bench.json")


def main() -> None:
    """Run those named on the command line, or all but the longest. Figures of benchmarks that do not run are kept."""
    names = sys.argv[1:] or [name for name in BENCHMARKS if name not in BY_NAME_ONLY]
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    figures = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    for name in names:
        for key, figure in BENCHMARKS[name]().items():
            figures[key] = {"value": figure.value, "unit": figure.unit}
            print(f"{key:36} {figure.value:12.4g} {figure.unit:12} {figure.remark}", flush=True)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    print(f"written to {TARGET}")


if __name__ == "__main__":
    main()

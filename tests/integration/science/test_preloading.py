"""The module that fork servers import first.

Each test runs a process: only a new one has imported nothing yet, and only one without threads may fork.
"""

from __future__ import annotations

import subprocess
import sys


def test_preloading_leaves_nothing_to_import_for_a_search() -> None:
    code = (
        "import eas_worker.science.preloading, sys\n"
        "import numpy as np\n"
        "from eas_worker.science.stellar_grid import StellarTemplate\n"
        "from eas_worker.science.transit_search_tls import search_transits\n"
        "times = np.arange(0, 20, 0.02)\n"
        "fluxes = 1 + np.random.default_rng(1).normal(0, 1e-4, times.size) - 2e-3 * (times % 4 < 0.1)\n"
        "before = set(sys.modules)\n"
        "search_transits(times, fluxes, template=StellarTemplate())\n"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('encodings')))\n"
    )

    late = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert late.strip() == "[]"


def test_what_was_preloaded_searches_with_threads_in_a_forked_child() -> None:
    code = (
        "import eas_worker.science.preloading, os\n"
        "import numpy as np\n"
        "from eas_worker.science.transit_search_kovacs import FoldedGrid, search_folds\n"
        "from eas_worker.science.transit_search_qats import IntervalGrid, search_chains\n"
        "times = np.arange(0, 30, 0.02)\n"
        "fluxes = 1 + np.random.default_rng(1).normal(0, 1e-4, times.size) - 2e-3 * (times % 5 < 0.1)\n"
        "if os.fork() == 0:\n"
        "    folds = search_folds(times, fluxes, grid=FoldedGrid(), threads=2)\n"
        "    chains = search_chains(times, fluxes, grid=IntervalGrid(), threads=2)\n"
        "    print(round(folds.signal.period, 1), round(chains.signal.period, 1), flush=True)\n"
        "    os._exit(0)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert found.split() == ["5.0", "5.0"]

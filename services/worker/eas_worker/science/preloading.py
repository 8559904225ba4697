"""What a fork server imports before it forks, so that its children start with the science done.

Name this module in the worker's setting for modules to preload. Importing it loads the libraries that task types
otherwise import when they first run, and compiles (or loads from the cache on disk) the kernels of the searches. It
leaves no thread behind that a fork would lose.
"""

from __future__ import annotations

import importlib
import logging
import warnings

from eas_worker.science.compiling import compiling

LOGGER = logging.getLogger(__name__)

MODULES = (
    "astropy.io.fits",
    "astropy.timeseries",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "scipy.optimize",
    "eas_worker.science.report_html",
    "eas_worker.science.report_numbers",
    "eas_worker.science.report_page",
    "eas_worker.science.synthesis",
    "eas_worker.science.transit_search_bls",
    "eas_worker.science.transit_search_kovacs",
    "eas_worker.science.transit_search_qats",
    "eas_worker.science.transit_search_tls",
    "eas_worker.science.vetting",
    "eas.lightcurve",
    "transitleastsquares",
    "wotan",
)
#: These compile kernels.
COMPILED = (
    "eas.lightcurve.kernels",
    "eas_worker.science.transit_search_kovacs",
    "eas_worker.science.transit_search_qats",
)
#: Not every worker has these.
EXTRAS = ("batman",)


def load_science() -> None:
    """Import all modules and load all kernels.

    Raises
    ------
    ImportError
        A library of the science extra is missing. One of an extra of its own is not missed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in MODULES:
            importlib.import_module(name)
        for name in EXTRAS:
            try:
                importlib.import_module(name)
            except ImportError:
                LOGGER.info("%s is not installed", name)
        warmup = importlib.import_module("transitleastsquares.warmup")
        with compiling():
            for name in COMPILED:
                importlib.import_module(name).load_kernels()
            warmup.warmup(verbose=False)


load_science()

"""The lines that a program writes to its standard error: each with its time and level."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

#: Their own steps are worth a line; of other libraries only what went wrong is.
_OWN = ("eas", "eas_scheduler", "eas_product_store", "eas_logging", "eas_worker", "eas_control", "uvicorn", "__main__")


def write_log_lines(*, own_level: int = logging.INFO) -> None:
    """Write log records to standard error, as lines with time, level and source.

    Parameters
    ----------
    own_level
        From which level records of EAS and of the web server are written. Those of libraries are from WARNING on.
    """
    logging.basicConfig(level=logging.WARNING, format=FORMAT, stream=sys.stderr)
    for name in _OWN:
        logging.getLogger(name).setLevel(own_level)

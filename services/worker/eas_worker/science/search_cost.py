"""How long a transit search will take: told before it begins, and refused where that is longer than the settings allow.

The estimates are of processor time on one core of a usual server, within a factor of about three. They depend on the
curve and on the settings alone, so that a search is refused everywhere or nowhere.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from eas.authoring.errors import InputError
from eas.quantities import show_quantity

LOGGER = logging.getLogger(__name__)

#: The longest processor time [h] that a search may take, unless it is set otherwise.
RUN_TIME_MAX = 100.0
#: A search of more processor time [s] than this is announced by a warning.
LONG = 3600.0

# Processor time of one step [s], measured on one core of a usual server.
#: Box least squares: a sample at each period, and a bin of the fold for each duration.
BOX_SAMPLE, BOX_BIN = 5e-9, 5e-9
#: Bins of that fold in the shortest duration, as astropy has it.
BOX_BINS_PER_DURATION = 10
#: The folds of Kovács: a sample at each frequency, and a phase bin for each box.
FOLD_SAMPLE, FOLD_BIN = 2.5e-9, 1e-9
#: Transit least squares: a sample at each period, and the period itself.
TEMPLATE_SAMPLE, TEMPLATE_PERIOD = 2e-8, 1.5e-4
#: QATS: one position of a chain.
CHAIN_STEP = 3e-9


@dataclass(frozen=True)
class SearchCost:
    """What a search will cost.

    Parameters
    ----------
    seconds
        Processor time [s].
    words
        What there is to do, such as ``160,000 periods on 4,320 samples``.
    remedies
        What makes it less, such as ``a larger period_min``.
    """

    seconds: float
    words: str
    remedies: str

    def announce(self, run_time_max: float, threads: int = 1) -> None:
        """Log the estimate before the search begins.

        Parameters
        ----------
        run_time_max
            The longest processor time that is allowed [h].
        threads
            How many processors share the work.

        Raises
        ------
        InputError
            The search would take longer than that.
        """
        needed = show_quantity(max(self.seconds, 0.1), "s")
        if self.seconds > run_time_max * 3600:
            raise InputError(
                f"the search would take about {needed} of processor time ({self.words}), more than run_time_max, "
                f"{run_time_max:g} h, allows; use {self.remedies}, or a larger run_time_max"
            )
        level = logging.WARNING if self.seconds > LONG else logging.INFO
        LOGGER.log(
            level,
            "the search will take about %s of processor time on %d processor(s): %s",
            needed,
            threads,
            self.words,
        )

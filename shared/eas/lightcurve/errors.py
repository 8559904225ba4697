"""What goes wrong with light curves.

::

    LightCurveError           the file or the arrays are not a usable light curve
"""

from __future__ import annotations


class LightCurveError(ValueError):
    """A light curve cannot be read, written or worked on. The message names the file and what was expected."""

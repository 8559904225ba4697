"""Light curves: the classes, resampling, readers and writers. Needs numpy; astropy only for FITS and TimeSeries."""

from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.files import read_light_curve, write_light_curve
from eas.lightcurve.light_curve import FixedStepLightCurve, LightCurve, resample
from eas.lightcurve.time_systems import guess_time_system

__all__ = [
    "FixedStepLightCurve",
    "LightCurve",
    "LightCurveError",
    "guess_time_system",
    "read_light_curve",
    "resample",
    "write_light_curve",
]

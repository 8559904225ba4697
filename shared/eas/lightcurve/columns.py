"""Which column of a table is what: time, flux, its uncertainty, and the columns of quality.

One table of names serves every format. Where several columns could be meant and none comes first by convention, none is
chosen: the message names the setting that decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.labels import MAGNITUDE_UNITS, Label
from eas.lightcurve.reading_options import ReadingOptions
from eas.lightcurve.time_systems import system_of_label

#: Names of time columns; the first one that is there is taken.
TIME_KEYS = (
    *("time", "times", "t", "bjd_tdb", "bjdtdb", "time_bjd", "bjd_time", "tmid_bjd", "btjd", "bkjd", "bjd"),
    *("hjd", "jd", "mjd", "mjd_time", "timestamp", "obstime", "date", "days", "hours", "minutes", "seconds"),
)
#: Names of flux columns. What a pipeline corrected comes before what it measured.
FLUX_KEYS = (
    *("fcor", "flux", "pdcsap_flux", "kspsap_flux", "det_flux", "corr_flux", "flux_corr", "cal_psf_flux"),
    *("psf_flux_cor", "normalised_flux", "normalized_flux", "norm_flux", "flux_norm", "relative_flux", "rel_flux"),
    *("detrended_flux", "flux_detrended", "flat_flux", "flattened_flux", "flux_variation", "sap_flux"),
    *("raw_flux", "flux_raw", "fraw", "ujy", "mjy", "f", "intensity", "counts"),
)
_MAGNITUDE_KEYS = ("mag", "magnitude", "mags", "magnitudes", "kmag", "vmag", "gmag", "rmag", "imag", "m")
_MAGNITUDE_OF_CDIPS = re.compile(r"(?:irm|tfa|pca|spca|tfasr)\d")
_ANY_UNCERTAINTY = (
    *("flux_err", "flux_error", "flux_uncertainty", "flux_unc", "fluxerr", "flux_std", "flux_sigma"),
    *(
        "uncertainty",
        "uncertainties",
        "uncert",
        "unc",
        "error",
        "errors",
        "err",
        "e_flux",
        "eflux",
        "sigma",
        "sigma_flux",
    ),
    *("flux_e", "dflux", "df", "yerr", "e", "err_flux", "error_flux", "raw_flux_err", "dujy"),
)
#: Names of columns that flag samples; all that are there count.
QUALITY_KEYS = (
    *("quality", "sap_quality", "dquality", "quality_flag", "quality_flags", "qual", "tess_flags", "tglc_flags"),
    *("moving", "flag", "flags", "bad", "badflag", "bad_flag", "mask", "is_bad", "outlier"),
)
#: Of other columns, for comments that could be headers.
_OTHER_KEYS = frozenset(
    {
        *("phase", "cadence", "cadenceno", "cadn", "x", "y", "xpos", "ypos", "sky", "bkg", "background", "airmass"),
        *(
            "fwhm",
            "camera",
            "filter",
            "band",
            "id",
            "index",
            "centroid_col",
            "centroid_row",
            "trend",
            "model",
            "arclength",
        ),
    }
)
_NOT_THE_FLUX = re.compile(
    r"err|unc|sigma|std|^e_|^d_|bkg|background|sky|trend|model|quality|flag|^flux_(?:bkg|ratio)$|centroid|limit"
)
_WORDS_OF_REMARKS = frozenset(
    {"a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "is", "of", "on", "the", "to", "vs", "was", "with"}
)


@dataclass(frozen=True)
class Roles:
    """Which columns of a table are used, by their places from 0."""

    time: int
    flux: int
    uncertainty: int | None = None
    quality: tuple[int, ...] = ()

    def used(self) -> tuple[int, ...]:
        """List the places: time, flux, the uncertainty if there is one, and quality."""
        middle = () if self.uncertainty is None else (self.uncertainty,)
        return (self.time, self.flux, *middle, *self.quality)


def assign_roles(labels: Sequence[Label], options: ReadingOptions, where: str) -> Roles:
    """Find out which column is what.

    Parameters
    ----------
    labels
        Of all columns, in their order.
    options
        Names that the user gave come first.
    where
        What the labels belong to, to begin messages with: the file, and the HDU or line.

    Raises
    ------
    LightCurveError
        A column that was asked for is not there, or none or several could be the time or the flux.
    """
    flux = find_flux(labels, options, where)
    time = find_time(labels, options, where)
    return Roles(
        time, flux, _find_uncertainty(labels, flux, options, where), _find_quality(labels, flux, options, where)
    )


def find_time(labels: Sequence[Label], options: ReadingOptions, where: str) -> int:
    """Find the time column. Raises as `assign_roles`."""
    if options.time_column is not None:
        return _find_named(labels, options.time_column, "time_column", where)
    if (found := _find_first(labels, TIME_KEYS)) is not None:
        return found
    systems = [place for place, label in enumerate(labels) if _names_a_time(label)]
    if len(systems) == 1:
        return systems[0]
    if systems:
        raise LightCurveError(
            f"{where} has several columns of time: {_list(labels, systems)}; the setting time_column decides"
        )
    raise LightCurveError(
        f"{where} names no time column: it has {_list(labels)}. Expected one such as time, BJD_TDB or HJD;"
        " the setting time_column names another"
    )


def find_flux(labels: Sequence[Label], options: ReadingOptions, where: str) -> int:
    """Find the flux column. Raises as `assign_roles`."""
    if options.flux_column is not None:
        return _find_named(labels, options.flux_column, "flux_column", where)
    magnitudes = [place for place, label in enumerate(labels) if is_magnitude(label)]
    if options.flux_unit == "mag" and (found := _find_first(labels, _MAGNITUDE_KEYS)) is not None:
        return found
    if (found := _find_first(labels, FLUX_KEYS)) is not None:
        return found
    others = [
        place
        for place, label in enumerate(labels)
        if "flux" in label.key and not _NOT_THE_FLUX.search(label.key) and place not in magnitudes
    ]
    if len(others) == 1:
        return others[0]
    if others:
        raise LightCurveError(
            f"{where} has several columns of flux: {_list(labels, others)}; the setting flux_column decides"
        )
    hint = (
        f"; {_list(labels, magnitudes)} holds magnitudes: the settings flux_column and flux_unit 'mag' convert them"
        if magnitudes
        else "; the setting flux_column names another"
    )
    raise LightCurveError(
        f"{where} names no flux column: it has {_list(labels)}. Expected one such as flux or PDCSAP_FLUX{hint}"
    )


def is_magnitude(label: Label) -> bool:
    """Tell whether a column holds magnitudes, by its name or unit."""
    if label.unit is not None and label.unit.lower().strip() in MAGNITUDE_UNITS:
        return True
    return label.key in _MAGNITUDE_KEYS[:-1] or bool(_MAGNITUDE_OF_CDIPS.fullmatch(label.key))


def names_columns(labels: Sequence[Label], *, strict: bool) -> bool:
    """Tell whether labels are those of a light curve's columns, and no remark that happens to mention some.

    Parameters
    ----------
    labels
        One a column.
    strict
        Whether nothing but the words themselves speaks for a header: a comment of so many words.
    """
    if any(label.key in _WORDS_OF_REMARKS or label.key.count("_") > 4 for label in labels):
        return False
    time = any(label.key in TIME_KEYS or _names_a_time(label) for label in labels)
    flux = any(label.key in FLUX_KEYS or is_magnitude(label) for label in labels)
    if time and (flux or (not strict and any("flux" in label.key for label in labels))):
        return True
    known = {*TIME_KEYS, *FLUX_KEYS, *_ANY_UNCERTAINTY, *QUALITY_KEYS, *_MAGNITUDE_KEYS, *_OTHER_KEYS}
    return (time or flux) and all(label.key in known or _names_a_time(label) for label in labels)


def _names_a_time(label: Label) -> bool:
    return system_of_label(label.name) is not None or (
        label.key.startswith("time_") and label.key not in ("time_corr", "time_err", "time_error")
    )


def _find_named(labels: Sequence[Label], wanted: str, setting: str, where: str) -> int:
    """Find a column by the name that the user gave; exactly, else in any case, else by what the name says."""
    plain = wanted.strip()
    key = re.sub(r"\W+", "_", plain.lower()).strip("_")
    names = [label.name for label in labels]
    lower = [name.lower() for name in names]
    for spelt, among in ((plain, names), (plain.lower(), lower), (key, [label.key for label in labels])):
        if among.count(spelt) == 1:
            return among.index(spelt)
        if spelt in among:
            raise LightCurveError(
                f"{where} has {among.count(spelt)} columns {plain!r} (setting {setting}); it has {_list(labels)}"
            )
    raise LightCurveError(f"{where} has no column {plain} (setting {setting}); it has {_list(labels)}")


def _find_first(labels: Sequence[Label], keys: Sequence[str]) -> int | None:
    places = {label.key: place for place, label in reversed(list(enumerate(labels)))}
    return next((places[key] for key in keys if key in places), None)


def _find_uncertainty(labels: Sequence[Label], flux: int, options: ReadingOptions, where: str) -> int | None:
    if options.error_column is not None:
        return _find_named(labels, options.error_column, "error_column", where)
    key = labels[flux].key
    own = [
        *(f"{key}_{word}" for word in ("err", "error", "errors", "unc", "uncertainty", "sigma", "std")),
        *(f"{key}err", f"e_{key}", f"err_{key}", f"sigma_{key}", f"d{key}", f"{key}_e"),
    ]
    if match := re.fullmatch(r"if[l](\d)", key):
        own.append(f"ife{match[1]}")
    if match := re.fullmatch(r"irm(\d)", key):
        own.append(f"ire{match[1]}")
    if is_magnitude(labels[flux]):
        return _find_first(labels, [*own, "mag_err", "magerr", "e_mag", "mag_error", "dm", "err", "error", "sigma"])
    if key == "fcor":
        own.append("fraw_err")
    found = _find_first(labels, own)
    if found is None:
        found = _find_first(labels, _ANY_UNCERTAINTY)
    return None if found == flux else found


def _find_quality(labels: Sequence[Label], flux: int, options: ReadingOptions, where: str) -> tuple[int, ...]:
    if options.quality_column is not None:
        return (_find_named(labels, options.quality_column, "quality_column", where),)
    keys = set(QUALITY_KEYS)
    if match := re.fullmatch(r"(?:ifl|irm|tfa|pca|spca|tfasr)(\d)", labels[flux].key):
        keys.add(f"irq{match[1]}")
    return tuple(place for place, label in enumerate(labels) if label.key in keys)


def _list(labels: Sequence[Label], places: Sequence[int] | None = None) -> str:
    names = [labels[place].name or "(nameless)" for place in (range(len(labels)) if places is None else places)]
    return ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")

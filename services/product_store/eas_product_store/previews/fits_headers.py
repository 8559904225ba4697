"""The headers of FITS files; their data are not read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eas.contracts.previews import HeaderCard, HeaderColumn, HeadersPreview, HeaderUnit, PreviewForm
from eas_product_store.previews.errors import UnreadableError
from eas_product_store.previews.source import Source

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

MAX_HDUS = 100
MAX_CARDS = 5000
MAX_COLUMNS = 1000
MAX_WARNINGS = 20

#: What astropy raises for files that are no good; there is no common base.
_FAULTS = (OSError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError)


def show_headers(source: Source, forms: list[PreviewForm]) -> HeadersPreview:
    """Read the headers. What comes before damage is shown, with a warning.

    Raises
    ------
    UnreadableError
        There is not one header.
    """
    from astropy.io import fits

    found: list[HeaderUnit] = []
    remarks: list[str] = []
    left = MAX_CARDS
    complete = True
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with fits.open(source.path, memmap=False, lazy_load_hdus=True) as hdus:
                for unit in _each(hdus, fits):
                    if len(found) == MAX_HDUS or not left:
                        complete = False
                        break
                    complete = complete and len(unit.cards) <= left
                    unit.cards = unit.cards[:left]
                    left -= len(unit.cards)
                    found.append(unit)
        except (*_FAULTS, fits.VerifyError) as error:
            if not found:
                raise UnreadableError(f"a broken FITS file: {error}") from error
            remarks.append(f"broken after HDU {len(found) - 1}: {error}")
    remarks += [str(warning.message) for warning in caught]
    return HeadersPreview(forms=forms, hdus=found, truncated=not complete, warnings=remarks[:MAX_WARNINGS])


def _each(hdus: HDUList, fits: Any) -> Iterator[HeaderUnit]:
    index = 0
    while True:
        try:
            hdu = hdus[index]
        except IndexError:
            return
        cards = []
        for card in hdu.header.cards:
            cards.append(_read_card(card, fits))
            if len(cards) > MAX_CARDS:
                break
        is_table = isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
        yield HeaderUnit(
            index=index,
            name=str(hdu.name),
            kind=type(hdu).__name__,
            shape=[int(hdu.header.get("NAXIS2", 0))] if is_table else [int(side) for side in hdu.shape or ()],
            cards=cards,
            columns=[_read_column(column) for column in list(hdu.columns)[:MAX_COLUMNS]] if is_table else [],
        )
        index += 1


def _read_card(card: Any, fits: Any) -> HeaderCard:
    try:
        keyword, value, comment = str(card.keyword), card.value, str(card.comment)
    except fits.VerifyError:
        return HeaderCard(keyword=card.image[:8].strip(), value=card.image[10:].strip(), comment="not a valid card")
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    if not isinstance(value, str | int | float):
        value = None if isinstance(value, fits.Undefined) or value is None else str(value)
    return HeaderCard(keyword=keyword, value=value, comment=comment)


def _read_column(column: Any) -> HeaderColumn:
    return HeaderColumn(
        name=str(column.name),
        format=str(column.format),
        unit=None if column.unit is None else str(column.unit),
        null=int(column.null) if isinstance(column.null, int) else None,
    )

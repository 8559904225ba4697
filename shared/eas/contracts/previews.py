"""Wire models of previews: what a version's bytes look like, in small.

A form is one way to show bytes: ``light_curve``, ``headers``, ``table``, ``json`` and ``text`` are JSON documents,
``plot`` and ``image`` are pictures (PNG).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from eas.contracts.metadata import Metadata

#: Header of a preview that names its form, and one that names all forms that the version has, the best one first.
FORM_HEADER = "EAS-Preview-Form"
FORMS_HEADER = "EAS-Preview-Forms"
PNG = "image/png"
JSON = "application/json"

MAX_POINTS = 20_000
MAX_LINES = 10_000
MAX_TEXT_BYTES = 1 << 20
#: Of a picture [pixels].
SMALLEST_SIDE = 16
LARGEST_SIDE = 4096
MAX_COLUMN_LENGTH = 80


class PreviewForm(StrEnum):
    """One way to show bytes."""

    LIGHT_CURVE = "light_curve"
    PLOT = "plot"
    HEADERS = "headers"
    TABLE = "table"
    JSON = "json"
    TEXT = "text"
    IMAGE = "image"

    @property
    def is_picture(self) -> bool:
        """Whether it is a PNG; else it is JSON."""
        return self in (PreviewForm.PLOT, PreviewForm.IMAGE)


class PreviewParameters(BaseModel):
    """How a preview is to be; what does not concern its form is left out of account."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    form: PreviewForm | None = Field(
        default=None,
        description="The best that there is, if left out: a picture where `Accept` prefers `image/png`, else JSON.",
        examples=["light_curve"],
    )
    points: int = Field(
        default=2000, ge=2, le=MAX_POINTS, description="Light curves: most samples that are sent.", examples=[2000]
    )
    start: float | None = Field(
        default=None,
        alias="from",
        allow_inf_nan=False,
        description="Light curves: the first time [d], in the time system of the file.",
        examples=[1325.5],
    )
    end: float | None = Field(
        default=None,
        alias="to",
        allow_inf_nan=False,
        description="Light curves: the time before which to end [d].",
        examples=[1330.0],
    )
    column: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_COLUMN_LENGTH,
        pattern="^[A-Za-z0-9_]+$",
        description="Light curves: `flux`, `uncertainty`, or of a FITS file any column, such as `SAP_FLUX`.",
        examples=["SAP_FLUX"],
    )
    flagged: bool = Field(
        default=False, description="Light curves: with the samples that are flagged as bad.", examples=[False]
    )
    lines: int = Field(default=200, ge=1, le=MAX_LINES, description="Text and tables: most lines.", examples=[200])
    max_bytes: int = Field(
        default=1 << 16, ge=1, le=MAX_TEXT_BYTES, description="Text and tables: most bytes.", examples=[65536]
    )
    width: int = Field(
        default=1200, ge=SMALLEST_SIDE, le=LARGEST_SIDE, description="Pictures: at most [pixels].", examples=[1200]
    )
    height: int = Field(
        default=600, ge=SMALLEST_SIDE, le=LARGEST_SIDE, description="Pictures: at most [pixels].", examples=[600]
    )


class _Preview(BaseModel):
    forms: list[PreviewForm] = Field(description="All forms that there are, the best one first.")


class LightCurvePreview(_Preview):
    """A light curve, thinned out so that the lowest and the highest sample of each interval of time stay."""

    form: Literal[PreviewForm.LIGHT_CURVE] = PreviewForm.LIGHT_CURVE
    samples: int = Field(description="Of the whole curve.")
    flagged: int = Field(description="How many of them are flagged as bad, or not finite.")
    first_time: float | None = Field(description="Of the whole curve; null where it has no sample.")
    last_time: float | None
    time_system: str = Field(examples=["BTJD"])
    time_unit: str = Field(default="d")
    column: str = Field(examples=["PDCSAP_FLUX"])
    unit: str | None = Field(description="Of the values; null where the file does not say.", examples=["electron / s"])
    selected: int = Field(description="How many samples there are to show, in the range of time that was asked for.")
    decimated: bool = Field(description="Whether only some of them are here.")
    times: list[float]
    values: list[float]
    metadata: Metadata = Field(default_factory=dict)


class HeaderCard(BaseModel):
    """A card of a FITS header."""

    keyword: str
    value: str | int | float | bool | None = None
    comment: str = ""


class HeaderColumn(BaseModel):
    """A column of a FITS table."""

    name: str
    format: str
    unit: str | None = None
    null: int | None = None


class HeaderUnit(BaseModel):
    """One HDU of a FITS file."""

    index: int
    name: str
    kind: str = Field(examples=["BinTableHDU"])
    shape: list[int] = Field(description="Of the data; a table's is its number of rows.")
    cards: list[HeaderCard]
    columns: list[HeaderColumn] = Field(default_factory=list)


class HeadersPreview(_Preview):
    """The headers of a FITS file."""

    form: Literal[PreviewForm.HEADERS] = PreviewForm.HEADERS
    hdus: list[HeaderUnit]
    truncated: bool = Field(description="Whether there are more cards or HDUs than are shown.")
    warnings: list[str] = Field(default_factory=list, description="What is odd about the file.")


class TablePreview(_Preview):
    """The first rows of a table in text."""

    form: Literal[PreviewForm.TABLE] = PreviewForm.TABLE
    delimiter: str
    columns: list[str] = Field(description="From the first row, or a comment; empty where nothing names them.")
    rows: list[list[str]]
    encoding: str
    truncated: bool


class JsonPreview(_Preview):
    """A small JSON document."""

    form: Literal[PreviewForm.JSON] = PreviewForm.JSON
    value: Any


class TextPreview(_Preview):
    """The beginning of a text."""

    form: Literal[PreviewForm.TEXT] = PreviewForm.TEXT
    text: str
    encoding: Literal["utf-8", "latin-1"]
    lines: int = Field(description="How many are shown.")
    truncated: bool
    unpacked: bool = Field(default=False, description="The file is gzipped; this is what is in it.")


AnyPreview = Annotated[
    LightCurvePreview | HeadersPreview | TablePreview | JsonPreview | TextPreview, Field(discriminator="form")
]
PREVIEW: TypeAdapter[AnyPreview] = TypeAdapter(AnyPreview)

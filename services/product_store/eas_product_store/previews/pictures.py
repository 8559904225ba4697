"""Pictures in small: plots of light curves, and images."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from eas.contracts.previews import LightCurvePreview, PreviewParameters
from eas_product_store.previews.errors import UnreadableError
from eas_product_store.previews.source import Source

if TYPE_CHECKING:
    from PIL import Image

#: Most pixels of an image that is read.
MAX_PIXELS = 50_000_000

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_DOTS_PER_INCH = 100
_SAMPLES_PER_PIXEL = 40


def count_plotted(width: int) -> int:
    """Tell how many samples a plot shows: of more, their outline is all that could be seen."""
    return _SAMPLES_PER_PIXEL * width


def plot_light_curve(curve: LightCurvePreview, wanted: PreviewParameters) -> bytes:
    """Draw a light curve as PNG of the width and height that are wanted."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (wanted.width / _DOTS_PER_INCH, wanted.height / _DOTS_PER_INCH)
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, layout="constrained" if wanted.width >= 300 else None)
    axes = figure.add_subplot()
    axes.plot(curve.times, curve.values, ".", markersize=1.5, color="black")
    if not curve.times:
        axes.text(0.5, 0.5, "no sample to show", ha="center", va="center", transform=axes.transAxes)
    axes.set_xlabel(f"time [{curve.time_unit}] ({curve.time_system})", parse_math=False)
    axes.set_ylabel(f"{curve.column} [{curve.unit}]" if curve.unit else curve.column, parse_math=False)
    axes.ticklabel_format(useOffset=False)
    buffer = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def shrink_image(source: Source, wanted: PreviewParameters) -> bytes:
    """Make an image fit into the width and height that are wanted, as a new PNG.

    Raises
    ------
    UnreadableError
        It is damaged, or has too many pixels.
    """
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the bound is our own
    try:
        with Image.open(source.path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableError(f"it has {image.width} x {image.height} pixels; at most {MAX_PIXELS} are read")
            image.draft(None, (wanted.width, wanted.height))
            image.load()
            small: Image.Image = _to_eight_bits(image)
            small.thumbnail((wanted.width, wanted.height))
            buffer = BytesIO()
            small.save(buffer, "PNG")
    except UnidentifiedImageError as error:
        raise UnreadableError("a broken image: it cannot be identified") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableError(f"a broken image: {error}") from error
    return buffer.getvalue()


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "RGBA", "L"):
        return image.copy()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        plain = image.convert("F")
        low, high = (float(str(bound)) for bound in plain.getextrema())
        scale = 255.0 / (high - low) if high > low else 1.0
        return plain.point(lambda value: value * scale + -low * scale).convert("L")
    return image.convert("RGBA")

"""From a file to its preview."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from eas.contracts.previews import PreviewForm, PreviewParameters
from eas_product_store.previews.errors import NoFormError, UnreadableError
from eas_product_store.previews.recognition import find_forms, may_try
from eas_product_store.previews.source import Source, unpack

#: Most bytes that a gzipped file may unpack to.
MAX_UNPACKED = 1 << 28


@dataclass(frozen=True)
class Rendered:
    """A preview: PNG or JSON."""

    form: PreviewForm
    forms: list[PreviewForm]
    content: bytes


def render(source: Source, wanted: PreviewParameters, *, prefers_picture: bool) -> Rendered:
    """Make the preview of a file.

    Raises
    ------
    NoFormError
        There is none, or none in the form that is wanted.
    UnreadableError
        The file is damaged.
    """
    plain = unpack(source, MAX_UNPACKED)
    forms = find_forms(plain)
    form = wanted.form or choose_form(forms, prefers_picture=prefers_picture)
    if plain.unpacked and source.complete and not plain.complete and form is not PreviewForm.TEXT:
        raise UnreadableError(f"it unpacks to more than {MAX_UNPACKED} bytes")
    if form is None or not may_try(form, forms):
        shown = f" as {form.value}" if form else ""
        instead = f"; there is: {', '.join(forms)}" if forms else ""
        raise NoFormError(f"such a file ({source.mime_type}) cannot be shown{shown}{instead}")
    try:
        return Rendered(form, forms, _render(plain, form, wanted, forms))
    except ImportError as error:
        raise NoFormError(f"this product store cannot show a file as {form.value}: {error.name} is missing") from error


def choose_form(forms: list[PreviewForm], *, prefers_picture: bool) -> PreviewForm | None:
    """Choose the best form of the kind that is preferred, else the best one; None where there is none."""
    return next((form for form in forms if form.is_picture == prefers_picture), forms[0] if forms else None)


def _render(source: Source, form: PreviewForm, wanted: PreviewParameters, forms: list[PreviewForm]) -> bytes:
    match form:
        case PreviewForm.PLOT:
            from eas_product_store.previews import light_curves, pictures

            outline = wanted.model_copy(update={"points": pictures.count_plotted(wanted.width)})
            return pictures.plot_light_curve(light_curves.show_light_curve(source, outline, forms), wanted)
        case PreviewForm.IMAGE:
            from eas_product_store.previews import pictures

            return pictures.shrink_image(source, wanted)
        case _:
            return _show(source, form, wanted, forms).model_dump_json().encode()


def _show(source: Source, form: PreviewForm, wanted: PreviewParameters, forms: list[PreviewForm]) -> BaseModel:
    from eas_product_store.previews import fits_headers, texts

    match form:
        case PreviewForm.LIGHT_CURVE:
            from eas_product_store.previews import light_curves

            return light_curves.show_light_curve(source, wanted, forms)
        case PreviewForm.HEADERS:
            return fits_headers.show_headers(source, forms)
        case PreviewForm.TABLE:
            return texts.show_table(source, wanted, forms)
        case PreviewForm.JSON:
            return texts.show_json(source, forms)
        case _:
            return texts.show_text(source, wanted, forms)

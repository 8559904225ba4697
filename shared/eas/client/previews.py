"""Previews of versions, as data and as pictures."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from eas.client.base import ServiceClient
from eas.contracts.errors import InvalidInputError, UnavailableError
from eas.contracts.previews import (
    FORM_HEADER,
    FORMS_HEADER,
    JSON,
    PNG,
    PREVIEW,
    AnyPreview,
    PreviewForm,
    PreviewParameters,
)

#: The longest that a preview may take, queueing included [s].
READ_TIMEOUT = 120.0


@dataclass(frozen=True)
class VersionPreview:
    """What a version holds, in small. A notebook shows it where it is a picture.

    Parameters
    ----------
    version_id
        Of which version.
    form
        The form that it has.
    forms
        All forms that there are, the best one first.
    content
        A picture (PNG), or JSON.
    """

    version_id: int
    form: PreviewForm
    forms: tuple[PreviewForm, ...]
    content: bytes

    @property
    def document(self) -> AnyPreview:
        """What it says. Raises InvalidInputError where it is a picture."""
        if self.form.is_picture:
            raise InvalidInputError(f"the preview is a picture ({self.form.value}); `content` is its PNG")
        return PREVIEW.validate_json(self.content)

    def _repr_png_(self) -> bytes | None:
        return self.content if self.form.is_picture else None

    def __repr__(self) -> str:
        return f"<Preview of version {self.version_id} as {self.form.value}, {len(self.content)} bytes>"


class PreviewClient(ServiceClient):
    """Calls of the product store for previews."""

    async def preview(
        self, version_id: int, parameters: PreviewParameters | None = None, *, picture: bool = False
    ) -> VersionPreview:
        """Show what a version holds.

        Parameters
        ----------
        version_id
            Which version.
        parameters
            How it is to be shown; as it is best, if left out.
        picture
            Whether, where no form is named, it is to be a picture rather than JSON.

        Raises
        ------
        NotFoundError
            There is no such version.
        NoPreviewError
            Such a file cannot be shown, or not in this form.
        UnreadableError
            The file is damaged, or not what it seems.
        TooLargeError
            Of so long a file only the beginning can be shown, as text.
        """
        query = (parameters or PreviewParameters()).model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude_none=True
        )
        path = f"versions/{version_id}/preview"
        headers = {"Accept": PNG if picture else JSON}
        answer = await self._ask("GET", path, params=query, headers=headers, read_timeout=READ_TIMEOUT)
        try:
            form = PreviewForm(answer.headers.get(FORM_HEADER, ""))
            forms = tuple(PreviewForm(name) for name in answer.headers.get(FORMS_HEADER, "").split(", ") if name)
            found = VersionPreview(version_id, form, forms, answer.content)
            if not form.is_picture:
                PREVIEW.validate_json(answer.content)
        except (ValidationError, ValueError) as error:
            raise UnavailableError(f"{self.url}{path} does not answer like a service of this version") from (error)
        return found


def read_parameters(**values: object) -> PreviewParameters:
    """Check what is said of a preview; None leaves it as it is by default.

    Raises
    ------
    InvalidInputError
        A value is not as it has to be.
    """
    try:
        return PreviewParameters.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"{place}: {first['msg']}", where=place) from error

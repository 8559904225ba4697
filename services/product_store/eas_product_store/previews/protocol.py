"""What a preview process is asked, and what it answers: a line of JSON each, and then bytes.

::

    process  Ready
    parent   Order, and `size` bytes: the file
    process  Answer, and `size` bytes: the preview

It ends when its standard input does.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field

from eas.contracts.previews import PreviewForm, PreviewParameters

READY = b"ready\n"


class Order(BaseModel):
    """A file of which a preview is wanted.

    Parameters
    ----------
    parameters
        How the preview is to be.
    prefers_picture
        Whether, where no form is named, it is to be a picture rather than JSON.
    mime_type
        What the file is said to be.
    size
        How many bytes follow.
    complete
        Whether they are the whole file, or its beginning.
    """

    parameters: PreviewParameters
    prefers_picture: bool
    mime_type: str
    size: int
    complete: bool = True


class Fault(StrEnum):
    """Why there is no preview."""

    NO_FORM = "no_form"
    UNREADABLE = "unreadable"
    EXHAUSTED = "exhausted"
    NO_ROOM = "no_room"


class Answer(BaseModel):
    """A preview, or why there is none."""

    fault: Fault | None = None
    message: str = ""
    form: PreviewForm | None = None
    forms: list[PreviewForm] = Field(default_factory=list)
    size: int = 0

"""Why there is no preview.

::

    PreviewError
    ├── NoFormError         such a file cannot be shown, or not in this form
    └── UnreadableError     it can, but this one is damaged, or not what it seems
"""

from __future__ import annotations


class PreviewError(Exception):
    """There is no preview."""


class NoFormError(PreviewError):
    """Such files have no preview, or none in the form that was asked for."""


class UnreadableError(PreviewError):
    """The file is damaged, or not what it seems. The message says where."""

"""How a running suite is found: by its URL, by the endpoint file in its data folder, or by the environment.

::

    EAS_URL, EAS_TOKEN          where there is no data folder at hand
    <data folder>/
        endpoint.json           mode 0600; there while the suite runs: url, pid, tokens_file
        tokens.json             mode 0600: who may call
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import httpx

from eas.client.suite.address import SuiteAddress
from eas.client.suite.errors import SuiteNotFoundError

ENDPOINT_NAME = "endpoint.json"
DEFAULT_FOLDER = Path("eas-data")
SCHEMES = ("http://", "https://")

#: What a user's commands need, in the order of how good a token is that has them.
USER_WISHES = (frozenset({"read", "submit", "operate"}), frozenset({"operate"}), frozenset({"read", "submit"}))


def find_suite(where: Path | str | None = None, *, token: str | None = None) -> SuiteAddress:
    """Find the suite that a command or a program is meant for.

    Parameters
    ----------
    where
        Its data folder or its URL, if the user named one. Else ``EAS_URL`` counts, and then the default folder.
    token
        In place of the data folder's or ``EAS_TOKEN``. A suite that is named by its URL gets no other.

    Raises
    ------
    SuiteNotFoundError
        There is none.
    """
    if isinstance(where, str) and where.startswith(SCHEMES):
        return SuiteAddress(_check_url(where, "the URL"), token)
    found = _look_around() if where is None else read_endpoint(Path(where))
    return found if token is None else replace(found, token=token)


def _look_around() -> SuiteAddress:
    if url := os.environ.get("EAS_URL"):
        return SuiteAddress(_check_url(url, "EAS_URL"), os.environ.get("EAS_TOKEN") or None)
    if (DEFAULT_FOLDER / ENDPOINT_NAME).exists():
        return read_endpoint(DEFAULT_FOLDER)
    raise SuiteNotFoundError(
        f"no suite found: {DEFAULT_FOLDER}/ has none. Start one with `eas up`, or say where it is with --data DIR, or "
        "with EAS_URL and EAS_TOKEN"
    )


def _check_url(url: str, source: str) -> str:
    try:
        usable = url.startswith(SCHEMES) and httpx.URL(url).host
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise SuiteNotFoundError(f"{source} is {url!r}; expected something like http://127.0.0.1:8321")
    return url.rstrip("/")


def read_endpoint(folder: Path) -> SuiteAddress:
    """Read where the suite of a data folder is.

    Raises
    ------
    SuiteNotFoundError
        No suite is running on it, or its files cannot be read.
    """
    path = folder / ENDPOINT_NAME
    try:
        endpoint = json.loads(path.read_text("utf-8"))
        tokens_file = folder / str(endpoint["tokens_file"])
        return SuiteAddress(str(endpoint["url"]), choose_token(tokens_file, USER_WISHES))
    except FileNotFoundError as error:
        if error.filename != str(path):
            raise _unreadable(path, error) from error
        raise SuiteNotFoundError(f"no suite is running on {folder}; start one with `eas up --data {folder}`") from None
    except (OSError, ValueError, KeyError, TypeError, LookupError) as error:
        raise _unreadable(path, error) from error


def choose_token(path: Path, wishes: Iterable[frozenset[str]]) -> str:
    """Choose a token from a tokens file: of those that have all scopes of a wish the one with the fewest others.

    Parameters
    ----------
    path
        See `eas.http.auth` for its form.
    wishes
        Sets of scopes; the first one that any token fulfils counts.

    Raises
    ------
    LookupError
        No token fulfils any of them.
    """
    document = json.loads(path.read_text("utf-8"))
    if not isinstance(document, dict):
        raise TypeError(f"{path}: expected an object")
    scopes: dict[str, frozenset[str]] = {token: frozenset(entry["scopes"]) for token, entry in document.items()}
    wishes = list(wishes)
    for wish in wishes:
        if fitting := [token for token, found in scopes.items() if wish <= found]:
            return min(fitting, key=lambda token: len(scopes[token]))
    raise LookupError(f"{path}: no token has the scopes {' and '.join(sorted(wishes[-1]))}")


def _unreadable(path: Path, error: Exception) -> SuiteNotFoundError:
    return SuiteNotFoundError(f"{path} does not lead to a suite: {error}")

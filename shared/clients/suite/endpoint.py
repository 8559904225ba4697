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
from pathlib import Path

from shared.clients.suite.address import SuiteAddress
from shared.clients.suite.errors import SuiteNotFoundError

ENDPOINT_NAME = "endpoint.json"
DEFAULT_FOLDER = Path("eas-data")

#: What a user's commands need, in the order of how good a token is that has them.
USER_WISHES = (frozenset({"read", "submit", "operate"}), frozenset({"operate"}), frozenset({"read", "submit"}))


def find_suite(folder: Path | None) -> SuiteAddress:
    """Find the suite that a command is meant for.

    Parameters
    ----------
    folder
        Its data folder, if the user named one. Else ``EAS_URL`` counts, and then the default folder.

    Raises
    ------
    SuiteNotFoundError
        There is none.
    """
    if folder is not None:
        return read_endpoint(folder)
    if url := os.environ.get("EAS_URL"):
        if not url.startswith(("http://", "https://")):
            raise SuiteNotFoundError(f"EAS_URL is {url!r}; expected something like http://127.0.0.1:8321")
        return SuiteAddress(url.rstrip("/"), os.environ.get("EAS_TOKEN") or None)
    if (DEFAULT_FOLDER / ENDPOINT_NAME).exists():
        return read_endpoint(DEFAULT_FOLDER)
    raise SuiteNotFoundError(
        f"no suite found: {DEFAULT_FOLDER}/ has none. Start one with `eas up`, or say where it is with --data DIR, or "
        "with EAS_URL and EAS_TOKEN"
    )


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
        See `shared.http.auth` for its form.
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

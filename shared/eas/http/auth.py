"""Bearer tokens and their scopes.

A tokens file is JSON: ``{"<token>": {"name": "ada", "scopes": ["read", "submit"]}}``. It is read once, at start.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from secrets import token_urlsafe

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from eas.contracts.errors import ForbiddenError, UnauthenticatedError

LOCAL_HOSTS = frozenset({"localhost", "ip6-localhost"})


#: Secrets are mounted with mode 0644 unless one says something else.
_IN_KUBERNETES = "in Kubernetes: defaultMode 0440 for the secret's volume, and the pod's fsGroup"


class AccessScope(StrEnum):
    """What a token may do."""

    READ = "read"
    SUBMIT = "submit"
    WORK = "work"
    OPERATE = "operate"


@dataclass(frozen=True)
class Principal:
    """Who is calling."""

    name: str
    scopes: frozenset[AccessScope]


class TokensFileError(ValueError):
    """The tokens file cannot be used; the message says why."""


class OpenListenerError(RuntimeError):
    """A service was asked to listen beyond this machine without any tokens."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"refusing to listen on {host} without tokens: anyone who reaches this address could run code on the "
            "workers. Give a tokens file, or listen on 127.0.0.1."
        )


class TokenTable:
    """The tokens that a service knows. Compared by digest, so that look-up time says nothing of a token.

    Parameters
    ----------
    principals
        Token to principal. None means that the service is open to everyone who reaches it, with all scopes.
    """

    def __init__(self, principals: Mapping[str, Principal] | None) -> None:
        self._by_digest = None if principals is None else {_digest(token): found for token, found in principals.items()}

    @property
    def is_open(self) -> bool:
        """Whether no token is asked for."""
        return self._by_digest is None

    @classmethod
    def from_file(cls, path: Path) -> TokenTable:
        """Read a tokens file.

        Raises
        ------
        TokensFileError
            It is missing, readable by others, or not of the form above.
        """
        return cls(read_tokens_file(path))

    @classmethod
    def from_optional_file(cls, path: Path | None) -> TokenTable:
        """Read a tokens file; without one, everyone who reaches the service may do everything."""
        return cls(None) if path is None else cls.from_file(path)

    def identify(self, authorization: str | None) -> Principal:
        """Find who sent this ``Authorization`` header.

        Raises
        ------
        UnauthenticatedError
            There is no bearer token, or nobody has it.
        """
        if self._by_digest is None:
            return Principal("anyone", frozenset(AccessScope))
        if not authorization:
            raise UnauthenticatedError("a bearer token is needed", where="header.Authorization")
        kind, _, token = authorization.partition(" ")
        found = self._by_digest.get(_digest(token.strip())) if kind.lower() == "bearer" else None
        if found is None:
            raise UnauthenticatedError("the bearer token is not known", where="header.Authorization")
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def read_tokens_file(path: Path) -> dict[str, Principal]:
    """Read a tokens file into token and principal. See `TokenTable.from_file` for its errors."""
    try:
        mode = path.stat().st_mode
        document = json.loads(path.read_text("utf-8"))
    except PermissionError as error:
        message = f"tokens file {path}: {error.strerror}; it has to be this user's, or readable by its group"
        raise TokensFileError(f"{message} ({_IN_KUBERNETES})") from error
    except OSError as error:
        raise TokensFileError(f"tokens file {path}: {error.strerror}") from error
    except ValueError as error:
        raise TokensFileError(f"tokens file {path}: not JSON: {error}") from error
    if stat.S_IMODE(mode) & 0o007:
        raise TokensFileError(
            f"tokens file {path}: its mode {stat.S_IMODE(mode):04o} lets everyone in; chmod it to 0600, "
            f"or to 0640 for its group ({_IN_KUBERNETES})"
        )
    if not isinstance(document, dict) or not document:
        raise TokensFileError(f"tokens file {path}: expected an object of at least one token")
    try:
        return {
            token: Principal(str(entry["name"]), frozenset(AccessScope(scope) for scope in entry["scopes"]))
            for token, entry in document.items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise TokensFileError(
            f'tokens file {path}: each token needs {{"name": …, "scopes": [read|submit|work|operate …]}}: {error!r}'
        ) from error


def write_tokens_file(path: Path, principals: Mapping[str, Principal]) -> None:
    """Write a tokens file that only its owner can read, all at once."""
    document = {
        token: {"name": found.name, "scopes": sorted(scope.value for scope in found.scopes)}
        for token, found in principals.items()
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def make_token() -> str:
    """Draw a new token."""
    return token_urlsafe(32)


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on can be reached from this machine only."""
    if host in LOCAL_HOSTS:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_listener(host: str, tokens: TokenTable) -> None:
    """Refuse to serve beyond loopback without tokens.

    Raises
    ------
    OpenListenerError
        `host` is not a loopback address and `tokens` asks for none.
    """
    if tokens.is_open and not is_loopback(host):
        raise OpenListenerError(host)


_bearer = HTTPBearer(auto_error=False, description="A token from the service's tokens file.")


def require(scope: AccessScope) -> Callable[[Request], Awaitable[Principal]]:
    """Make the dependency of an operation that needs `scope`. The token ``operate`` implies every other scope.

    The app must have been made by `eas.http.service.create_service_app`.
    """

    async def check(request: Request, _header: object = Security(_bearer)) -> Principal:
        tokens: TokenTable = request.app.state.tokens
        principal = tokens.identify(request.headers.get("authorization"))
        if scope not in principal.scopes and AccessScope.OPERATE not in principal.scopes:
            raise ForbiddenError(f"{principal.name}'s token lacks the scope {scope.value!r}")
        return principal

    return check

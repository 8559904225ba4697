"""Who may call: tokens files, headers, and addresses to listen on."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from eas.contracts.errors import UnauthenticatedError
from eas.http.auth import (
    AccessScope,
    OpenListenerError,
    Principal,
    TokensFileError,
    TokenTable,
    refuse_open_listener,
    write_tokens_file,
)

ADA = Principal("ada", frozenset({AccessScope.READ, AccessScope.SUBMIT}))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_only_loopback_may_be_open_to_everyone(host: str, allowed: bool) -> None:
    refuse_open_listener(host, TokenTable({"token": ADA}))
    if allowed:
        refuse_open_listener(host, TokenTable(None))
    else:
        with pytest.raises(OpenListenerError, match="without tokens"):
            refuse_open_listener(host, TokenTable(None))


def test_a_tokens_file_is_its_owners_alone_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    write_tokens_file(path, {"secret": ADA})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    table = TokenTable.from_optional_file(path)
    assert table.identify("Bearer secret") == ADA
    assert TokenTable.from_optional_file(None).identify(None).scopes == frozenset(AccessScope)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640, 0o660])
def test_a_secret_is_read_as_kubernetes_mounts_it_for_a_group(tmp_path: Path, mode: int) -> None:
    moment = tmp_path / "..2026_11_30_12_00_00.1"
    moment.mkdir()
    write_tokens_file(moment / "tokens.json", {"secret": ADA})
    (moment / "tokens.json").chmod(mode)
    (tmp_path / "..data").symlink_to(moment.name)
    (tmp_path / "tokens.json").symlink_to("..data/tokens.json")
    assert TokenTable.from_file(tmp_path / "tokens.json").identify("Bearer secret") == ADA


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic secret", "secret"])
def test_who_has_no_token_is_not_let_in(header: str | None) -> None:
    with pytest.raises(UnauthenticatedError):
        TokenTable({"secret": ADA}).identify(header)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("{}", 0o600, "at least one token"),
        ("[", 0o600, "not JSON"),
        ('{"a": {"name": "x", "scopes": ["all"]}}', 0o600, "each token needs"),
        ('{"a": {"name": "x", "scopes": ["read"]}}', 0o644, "mode 0644 lets everyone .* 0640 .* defaultMode 0440"),
        ('{"a": {"name": "x", "scopes": ["read"]}}', 0o604, "mode 0604 lets everyone"),
        ('{"a": {"name": "x", "scopes": ["read"]}}', 0o606, "mode 0606 lets everyone"),
    ],
)
def test_a_tokens_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, mode: int, words: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(TokensFileError, match=words):
        TokenTable.from_file(path)
    with pytest.raises(TokensFileError, match="No such file"):
        TokenTable.from_file(tmp_path / "missing.json")

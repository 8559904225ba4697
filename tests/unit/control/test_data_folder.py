"""The data folder belongs to one suite, keeps its tokens, and tells which workers live."""

from __future__ import annotations

import fcntl
import json
import stat
from pathlib import Path

import pytest

from eas.http.auth import AccessScope, read_tokens_file
from eas_control.domain.errors import SuiteRunningError, SuiteStartError
from eas_control.storage.data_folder import DataFolder


def test_a_second_suite_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with folder.hold(), pytest.raises(SuiteRunningError, match="already running"), DataFolder(tmp_path / "data").hold():
        pass
    with DataFolder(tmp_path / "data").hold():
        pass


def test_the_endpoint_is_there_only_while_the_suite_runs(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    (tmp_path / "endpoint.json").write_text("of a suite that was killed")
    with folder.hold():
        assert not (tmp_path / "endpoint.json").exists()
        folder.prepare_tokens()
        folder.publish("http://127.0.0.1:1")
        assert json.loads((tmp_path / "endpoint.json").read_text())["url"] == "http://127.0.0.1:1"
    assert not (tmp_path / "endpoint.json").exists()


def test_tokens_are_made_once_and_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.hold():
        folder.prepare_tokens()
        first = read_tokens_file(folder.tokens_file)
        folder.prepare_tokens()

    assert read_tokens_file(folder.tokens_file) == first
    assert stat.S_IMODE(folder.tokens_file.stat().st_mode) == 0o600
    scopes = {principal.name: principal.scopes for principal in first.values()}
    assert scopes["user"] == {AccessScope.READ, AccessScope.SUBMIT, AccessScope.OPERATE}
    assert scopes["worker"] == {AccessScope.READ, AccessScope.WORK}
    assert scopes["scheduler"] == {AccessScope.OPERATE}


def test_a_tokens_file_that_lacks_a_scope_is_refused(tmp_path: Path) -> None:
    tokens = tmp_path / "mine.json"
    tokens.write_text(json.dumps({"secret": {"name": "ada", "scopes": ["read"]}}))
    tokens.chmod(0o600)
    folder = DataFolder(tmp_path / "data", tokens)

    folder.prepare_tokens()
    with pytest.raises(SuiteStartError, match=r"mine\.json: no token has the scopes operate"):
        folder.choose_token({"operate"})

    tokens.chmod(0o644)
    with pytest.raises(SuiteStartError, match="chmod it to 0600"):
        folder.prepare_tokens()


def test_a_worker_lives_as_long_as_its_lock_is_held(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    home = folder.workers / "embedded-1"
    home.mkdir(parents=True)

    assert not folder.is_worker_alive("embedded-1")
    with (home / "owner.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert folder.is_worker_alive("embedded-1")
    assert not folder.is_worker_alive("embedded-1")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SuiteStartError, match="file/data"), DataFolder(tmp_path / "file" / "data").hold():
        pass

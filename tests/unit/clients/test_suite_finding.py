"""How commands find the suite: a named folder, the environment, the default folder."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from eas.client.suite.address import SuiteAddress
from eas.client.suite.endpoint import choose_token, find_suite
from eas.client.suite.errors import SuiteNotFoundError
from eas_control.storage.endpoint import remove_endpoint, write_endpoint

TOKENS = {
    "of-user": {"name": "user", "scopes": ["read", "submit", "operate"]},
    "of-worker": {"name": "worker", "scopes": ["read", "work"]},
    "of-scheduler": {"name": "scheduler", "scopes": ["operate"]},
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EAS_URL", raising=False)
    monkeypatch.delenv("EAS_TOKEN", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def make_folder(folder: Path, url: str) -> Path:
    folder.mkdir()
    (folder / "tokens.json").write_text(json.dumps(TOKENS))
    write_endpoint(folder, url, Path("tokens.json"))
    return folder


def test_a_named_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_URL", "http://elsewhere:1")
    folder = make_folder(tmp_path / "data", "http://127.0.0.1:2")

    found = find_suite(folder)

    assert (found.url, found.token) == ("http://127.0.0.1:2", "of-user")
    assert "of-user" not in repr(found)


def test_the_environment_comes_before_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(Path("eas-data"), "http://127.0.0.1:2")
    assert find_suite(None).url == "http://127.0.0.1:2"

    monkeypatch.setenv("EAS_URL", "http://elsewhere:1/")
    monkeypatch.setenv("EAS_TOKEN", "secret")

    found = find_suite(None)
    assert (found.scheduler_url, found.token) == ("http://elsewhere:1/scheduler", "secret")


def test_the_endpoint_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data", "http://127.0.0.1:2")
    assert stat.S_IMODE((folder / "endpoint.json").stat().st_mode) == 0o600


def test_a_moved_folder_is_still_found(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data", "http://127.0.0.1:2").rename(tmp_path / "moved")
    assert find_suite(folder).token == "of-user"


def test_without_any_suite_the_error_says_how_to_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SuiteNotFoundError, match="eas up"):
        find_suite(None)
    folder = make_folder(tmp_path / "data", "http://127.0.0.1:2")
    remove_endpoint(folder)
    with pytest.raises(SuiteNotFoundError, match=r"no suite is running on .*eas up --data"):
        find_suite(folder)
    monkeypatch.setenv("EAS_URL", "localhost:8321")
    with pytest.raises(SuiteNotFoundError, match="EAS_URL is 'localhost:8321'"):
        find_suite(None)


@pytest.mark.parametrize(
    ("name", "content"),
    [("endpoint.json", "{"), ("endpoint.json", "{}"), ("tokens.json", "[1]"), ("tokens.json", "{}")],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str) -> None:
    folder = make_folder(tmp_path / "data", "http://127.0.0.1:2")
    (folder / name).write_text(content)
    with pytest.raises(SuiteNotFoundError, match=r"endpoint\.json does not lead to a suite"):
        find_suite(folder)


def test_the_token_with_the_fewest_scopes_is_chosen(tmp_path: Path) -> None:
    path = make_folder(tmp_path / "data", "http://127.0.0.1:2") / "tokens.json"

    assert choose_token(path, [frozenset({"operate"})]) == "of-scheduler"
    assert choose_token(path, [frozenset({"work"})]) == "of-worker"
    assert choose_token(path, [frozenset({"work", "operate"}), frozenset({"read", "submit"})]) == "of-user"
    with pytest.raises(LookupError, match="operate and work"):
        choose_token(path, [frozenset({"work", "operate"})])


def test_a_url_is_taken_with_its_own_token_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_URL", "http://elsewhere:1")
    monkeypatch.setenv("EAS_TOKEN", "secret")

    assert find_suite("http://127.0.0.1:2/") == SuiteAddress("http://127.0.0.1:2", None)
    assert find_suite("http://127.0.0.1:2", token="mine").token == "mine"
    with pytest.raises(SuiteNotFoundError, match="the URL is 'http://'; expected something like"):
        find_suite("http://")


def test_a_given_token_replaces_the_folders(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data", "http://127.0.0.1:2")
    assert find_suite(str(folder), token="mine") == SuiteAddress("http://127.0.0.1:2", "mine")

"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from eas_worker.factory import make_environment, make_terms
from eas_worker.settings import TokenError, WorkerSettings, make_worker_id


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_WORKER_SCHEDULER_URL", "http://127.0.0.1:8321/scheduler")
    monkeypatch.setenv("EAS_WORKER_PRODUCT_STORE_URL", "http://127.0.0.1:8321/products")


def read() -> WorkerSettings:
    return WorkerSettings()


def test_lists_are_given_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_WORKER_ONLY", "null, error,")
    monkeypatch.setenv("EAS_WORKER_TASK_TYPES", "mine=my.module:TASK_TYPE")
    assert read().only == ("null", "error")
    assert read().task_types == ("mine=my.module:TASK_TYPE",)


def test_the_token_is_read_from_its_file_and_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    monkeypatch.setenv("EAS_WORKER_TOKEN_FILE", str(tmp_path / "token"))
    assert read().read_token() == "abc"
    monkeypatch.setenv("EAS_WORKER_TOKEN", "s3cr3t")
    assert read().read_token() == "s3cr3t"
    assert "s3cr3t" not in repr(read())


def test_an_empty_token_file_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" \n")
    monkeypatch.setenv("EAS_WORKER_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(TokenError, match="is empty"):
        read().read_token()


def test_science_code_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_WORKER_TOKEN", "secret")
    assert not [name for name in make_environment() if name.startswith("EAS_")]


def test_the_container_and_the_threads_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_WORKER_CONTAINER", "eas_worker_tls")
    monkeypatch.setenv("EAS_WORKER_CPUS_PER_SLOT", "3")
    terms = make_terms(read())
    assert (terms.container, terms.cpus_per_slot) == ("eas_worker_tls", 3)
    monkeypatch.setenv("EAS_WORKER_CONTAINER", "")
    with pytest.raises(ValidationError, match="container"):
        read()


def test_two_workers_of_one_host_have_two_names() -> None:
    assert make_worker_id() != make_worker_id()
    assert len(make_worker_id()) <= 64


def test_a_name_that_would_leave_the_work_directory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_WORKER_WORKER_ID", "../elsewhere")
    with pytest.raises(ValidationError, match="worker_id"):
        read()


def test_slots_follow_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read().count_slots() >= 1
    monkeypatch.setenv("EAS_WORKER_SLOTS", "7")
    assert read().count_slots() == 7

"""The worker's folder: private, cleared up after, and inherited from those who were killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eas_worker.storage.workspace import LocalWorkspace, WorkspaceError


def test_folders_are_private(tmp_path: Path) -> None:
    workspace = LocalWorkspace(tmp_path / "deep" / "work", "w1")
    for folder in (workspace.home, workspace.attempts, workspace.journal):
        assert folder.stat().st_mode & 0o777 == 0o700
    workspace.close()
    assert not workspace.home.exists()


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(WorkspaceError, match="others can write"):
        LocalWorkspace(root, "w1")


def test_two_workers_cannot_have_one_name(tmp_path: Path) -> None:
    workspace = LocalWorkspace(tmp_path, "w1")
    with pytest.raises(WorkspaceError, match="a worker of this name is running"):
        LocalWorkspace(tmp_path, "w1")
    workspace.close()


async def test_a_working_directory_goes_away_with_its_messages(tmp_path: Path) -> None:
    workspace = LocalWorkspace(tmp_path, "w1")
    first, second = workspace.create_inputs(5, ["a", "../b"])
    assert first != second
    assert second.is_relative_to(workspace.folder(5))
    (first / "file").write_text("x")
    (workspace.attempts / "5.result.json").write_text("{}")
    (workspace.attempts / "55.result.json").write_text("{}")
    await workspace.remove(5)
    await workspace.remove(5)
    assert [path.name for path in workspace.attempts.iterdir()] == ["55.result.json"]
    workspace.close()


async def test_what_a_task_made_undeletable_is_deleted(tmp_path: Path) -> None:
    workspace = LocalWorkspace(tmp_path, "w1")
    (folder,) = workspace.create_inputs(5, ["a"])
    (folder / "file").write_text("x")
    folder.chmod(0o500)
    await workspace.remove(5)
    assert not workspace.folder(5).exists()
    workspace.close()


def test_a_dead_workers_attempts_go_and_its_records_are_adopted(tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    (dead / "attempts" / "3").mkdir(parents=True)
    (dead / "journal").mkdir()
    (dead / "journal" / "12-ab.000000.ndjson").write_text("{}\n")
    (dead / "owner.lock").touch()
    (tmp_path / "not-a-worker").mkdir()
    alive = LocalWorkspace(tmp_path, "alive")
    workspace = LocalWorkspace(tmp_path, "w1")
    assert workspace.adopt_orphans() == 1
    assert (workspace.journal / "12-ab.000000.ndjson").read_text() == "{}\n"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["alive", "not-a-worker", "w1"]
    alive.close()
    workspace.close()
    assert (workspace.journal / "12-ab.000000.ndjson").exists(), "records that are not shipped stay"


def test_the_lock_is_not_handed_to_children(tmp_path: Path) -> None:
    workspace = LocalWorkspace(tmp_path, "w1")
    links = [
        path for path in Path("/proc/self/fd").iterdir() if path.is_symlink() and "owner.lock" in str(path.readlink())
    ]
    assert links
    assert not any(os.get_inheritable(int(path.name)) for path in links)
    workspace.close()

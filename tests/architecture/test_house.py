"""The house itself: its arrows, its reference pages, and what must not be in it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def tracked_files() -> list[Path]:
    try:
        listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.splitlines() if (ROOT / name).is_file()]


def load_generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_no_import_goes_against_the_arrows() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("page", ["settings.md", "task_types.md"])
def test_the_reference_pages_say_what_the_code_says(page: str) -> None:
    written = load_generator().PAGES[page]().rstrip() + "\n"
    assert (ROOT / "docs" / page).read_text("utf-8") == written, "run python docs/generate.py"


def test_schedulers_know_the_task_types_as_workers_announce_them() -> None:
    for name, write in load_generator().OTHERS.items():
        assert (ROOT / name).read_text("utf-8") == write().rstrip() + "\n", "run python docs/generate.py"


def test_lock_files_hold_hashes_and_no_addresses() -> None:
    locks = list((ROOT / "requirements").glob("*.txt"))
    assert len(locks) >= 4
    for lock in locks:
        text = lock.read_text("utf-8")
        assert "://" not in text
        pins = re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)


def test_roles_get_only_what_they_need() -> None:
    worker = (ROOT / "requirements" / "worker.txt").read_text("utf-8")
    service = (ROOT / "requirements" / "service.txt").read_text("utf-8")
    assert not re.search(r"^(sqlalchemy|sqlmodel|fastapi|alembic)==", worker, re.MULTILINE)
    assert not re.search(r"^(numpy|scipy|astropy|matplotlib|batman-package)==", service, re.MULTILINE)


def test_no_path_of_anyones_machine_is_written_down() -> None:
    pattern = re.compile(r"/(?:home|root|work|Users)/[A-Za-z]")
    guilty = [
        f"{path.relative_to(ROOT)}: {line.strip()[:80]}"
        for path in tracked_files()
        if path.suffix in {".py", ".md", ".toml", ".json", ".sh", ".yaml", ".yml", ""}
        for line in path.read_text("utf-8", errors="replace").splitlines()
        if pattern.search(line) and path != Path(__file__)
    ]
    assert guilty == []


def test_no_token_or_password_is_written_down() -> None:
    pattern = re.compile(r"(?i)(password|passwd)\s*[:=]\s*[\"'][^\"']+[\"']")
    guilty = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in {".py", ".toml", ".yaml", ".yml", ".json"}
        and "tests" not in path.parts
        and pattern.search(path.read_text("utf-8", errors="replace"))
    ]
    assert guilty == []


def test_type_checkers_of_others_may_trust_the_client() -> None:
    assert (ROOT / "shared" / "eas" / "py.typed").exists()
    assert '"py.typed"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_every_test_that_the_page_on_reliability_names_exists() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`", page)
    lines = [line for line in page.splitlines() if line.startswith("|") and "::" in line]
    assert len(named) == len(lines) >= 40
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text("utf-8")
    ]
    assert missing == []

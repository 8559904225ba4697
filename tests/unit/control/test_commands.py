"""The list of commands tells the truth, and a command imports what it needs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import typer

from eas_control.commands import ENTRIES, Entry, make_app

HEAVY = (
    "sqlalchemy",
    "sqlmodel",
    "alembic",
    "fastapi",
    "starlette",
    "uvicorn",
    "numpy",
    "astropy",
    "matplotlib",
    "aiormq",
)
CLIENTS = ("httpx", "eas.contracts.scheduler", "eas.client.scheduler")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_list_shows_the_first_paragraph_of_each_commands_help(entry: Entry) -> None:
    found = entry.load()
    text = typer.main.get_group(found).help if isinstance(found, typer.Typer) else inspect.getdoc(found)
    assert isinstance(text, str)
    assert entry.help == " ".join(text.split("\n\n")[0].split())


def test_no_name_is_given_twice() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names))


def find_imported(*arguments: str) -> set[str]:
    """List the modules that a command has imported, in a process of its own: this one has imported everything."""
    program = (
        "import sys\n"
        "from eas_control.main import run\n"
        "try:\n    run(sys.argv[1:])\n"
        "finally:\n    print('modules', *sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    return set(done.stderr.rpartition("modules ")[2].split())


def test_the_help_imports_no_service_no_database_and_no_client() -> None:
    imported = find_imported("--help")
    assert "typer" in imported
    assert imported.isdisjoint((*HEAVY, *CLIENTS))


@pytest.mark.parametrize("arguments", [["jobs", "--help"], ["queues", "--help"], ["logs", "--help"]])
def test_a_command_that_asks_a_suite_imports_no_service_and_no_database(arguments: list[str]) -> None:
    imported = find_imported(*arguments)
    assert "httpx" in imported
    assert imported.isdisjoint(HEAVY)


def test_a_shell_that_completes_options_gets_those_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_EAS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "eas submit --wa")
    (submit,) = (command for command in make_app([]).registered_commands if command.name == "submit")
    assert submit.callback is not None
    assert "wait" in inspect.signature(submit.callback).parameters

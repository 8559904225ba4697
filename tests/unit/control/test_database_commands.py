"""`eas db` finds the databases by one rule, says what is wrong with what it was given, and never shows a password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eas.database.engines import show_url
from eas_control.databases import locate_databases
from eas_control.domain.dump_paths import place_dumps
from eas_control.domain.errors import SuiteStartError, UsageError
from eas_control.main import run
from eas_control.storage.data_folder import DataFolder
from eas_control.storage.folder_origin import refuse_other_origin, write_origin

SERVER = "postgresql://ada:s3cret@db.example/eas"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EAS_DATABASE", "EAS_SCHEDULER_DATABASE_URL", "EAS_PRODUCT_STORE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def urls(folder: Path, server: str | None, **environment: str) -> list[str]:
    return [found.url for found in locate_databases(DataFolder(folder), server, environment)]


def test_without_a_server_they_are_in_the_data_folder(tmp_path: Path) -> None:
    expected = [f"sqlite:///{tmp_path}/{name}.db" for name in ("scheduler", "product_store", "logging")]
    assert urls(tmp_path, None) == expected


def test_a_server_has_one_for_each_service(tmp_path: Path) -> None:
    found = urls(tmp_path, SERVER)
    assert [url.rpartition("/")[2] for url in found] == ["eas_scheduler", "eas_product_store", "eas_logging"]
    assert all(url.startswith("postgresql+psycopg://ada:s3cret@db.example/") for url in found)


def test_a_services_own_variable_comes_first(tmp_path: Path) -> None:
    own = "mysql://ada:pw@other/logs"
    assert urls(tmp_path, SERVER, EAS_LOGGING_DATABASE_URL=own)[2] == own
    assert urls(tmp_path, None, EAS_LOGGING_DATABASE_URL=own)[2] == own


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("nonsense", "expected sqlite:///FILE, postgresql://"),
        ("oracle://ada:s3cret@db/eas", "oracle://ada@db/eas"),
        ("postgresql://ada:s3cret@db", "name of the database is missing"),
        ("postgresql://ada:s3cret@db:port/eas", "expected"),
        ("postgresql://ada:half@s3cret@db/?password=s3cret", "missing"),
        ("sqlite:///eas.db", "in the data folder"),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_password(
    server: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["db", "check", "--database", server]) == 2
    out, err = capfd.readouterr()
    assert words in err
    assert "s3cret" not in out + err


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3cret@db/eas",
        "mysql://ada:half@s3cret@db/eas",
        "postgresql://ada@db/eas?password=s3cret&sslpassword=s3cret",
    ],
)
def test_a_shown_url_has_no_secret(url: str) -> None:
    assert show_url(url).endswith("://ada@db/eas")


@pytest.mark.parametrize(
    ("file", "services", "is_folder", "expected"),
    [
        ("x", ["a", "b"], True, ["x/eas_a.ndjson.gz", "x/eas_b.ndjson.gz"]),
        ("x/", ["a"], False, ["x/eas_a.ndjson.gz"]),
        ("x_{service}.gz", ["a", "b"], False, ["x_a.gz", "x_b.gz"]),
        ("x.gz", ["a"], False, ["x.gz"]),
    ],
)
def test_each_service_has_a_file(file: str, services: list[str], is_folder: bool, expected: list[str]) -> None:
    assert place_dumps(file, services, is_folder=is_folder) == dict(zip(services, map(Path, expected), strict=True))


def test_services_do_not_share_a_file() -> None:
    with pytest.raises(UsageError, match=r"expected a folder, a path with \{service\}"):
        place_dumps("x.gz", ["a", "b"], is_folder=False)


def test_products_stay_with_their_database(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    own, other = folder.database_url("product_store"), "postgresql://ada:s3cret@db/eas_product_store"
    with folder.hold():
        refuse_other_origin(folder, other)
        (folder.path / "product_store.db").touch()
        refuse_other_origin(folder, other)  # there are no products yet
        folder.products.mkdir()
        (folder.products / "bytes").write_bytes(b"1")
        refuse_other_origin(folder, own)
        with pytest.raises(SuiteStartError, match=r"in product_store\.db, not in postgresql://db:5432") as refused:
            refuse_other_origin(folder, other)
        assert "s3cret" not in str(refused.value)

        write_origin(folder, other)
        refuse_other_origin(folder, other.replace("ada:s3cret", "grace:other"))
        with pytest.raises(SuiteStartError, match=r"not in product_store\.db"):
            refuse_other_origin(folder, own)
    assert "s3cret" not in (folder.path / "database.json").read_text()


def test_databases_are_made_dumped_restored_and_checked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def eas(*arguments: str, status: int = 0) -> dict[str, object]:
        assert run(["db", *arguments, "--json"]) == status
        found: dict[str, object] = json.loads(capfd.readouterr().out)
        return found

    assert eas("check", "--data", "a", status=1)["ok"] is False
    made = eas("create", "--data", "a")
    assert [each["made_database"] for each in made["services"]] == [True] * 3  # type: ignore[attr-defined]
    assert eas("check", "--data", "a")["ok"] is True
    (tmp_path / "dumps").mkdir()
    eas("dump", "dumps", "--data", "a")
    assert "is there already" in str(eas("dump", "dumps", "--data", "a", status=2))
    restored = eas("restore", "dumps", "--data", "b")
    assert [each["service"] for each in restored["services"]] == [  # type: ignore[attr-defined]
        "scheduler",
        "product_store",
        "logging",
    ]
    assert eas("check", "--data", "b")["ok"] is True
    assert [each["from"] for each in eas("upgrade", "--data", "b")["services"]] == [  # type: ignore[attr-defined]
        each["to"]
        for each in restored["services"]  # type: ignore[attr-defined]
    ]
    single = str(tmp_path / "dumps" / "eas_logging.ndjson.gz")
    alone = eas("restore", single, "--data", "c")
    assert [each["service"] for each in alone["services"]] == ["logging"]  # type: ignore[attr-defined]


def test_one_damaged_dump_of_several_stops_them_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dumps").mkdir()
    assert run(["db", "create", "--data", "a", "--json"]) == 0
    assert run(["db", "dump", "dumps", "--data", "a", "--json"]) == 0
    damaged = tmp_path / "dumps" / "eas_logging.ndjson.gz"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert run(["db", "restore", "dumps", "--data", "b"]) == 2
    assert "damaged or incomplete" in capfd.readouterr().err
    assert not list((tmp_path / "b").glob("*.db"))


def test_a_running_suites_databases_are_left_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with DataFolder(tmp_path / "a").hold():
        assert run(["db", "create", "--data", "a", "--overwrite"]) == 1
        assert "already running" in capfd.readouterr().err

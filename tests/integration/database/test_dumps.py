"""Dumps of a database, and restoring them into databases of each kind, whatever happens to files and processes."""

from __future__ import annotations

import gzip
import hashlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from sqlalchemy import create_engine

from eas.database.engines import parse_database_url
from eas.database.errors import (
    DatabaseNotEmptyError,
    DumpError,
    ForeignDatabaseError,
    InterruptedRestoreError,
    NewerDatabaseError,
)
from eas.database.migrations import upgrade_schema
from eas.database_admin.creation import make_database as create
from eas.database_admin.dump import dump_database
from eas.database_admin.dump_file import verify_dump
from eas.database_admin.inspection import inspect_database
from eas.database_admin.restore import restore_database
from eas_logging.main import describe_database as describe_logs
from eas_product_store.main import describe_database as describe_products
from eas_scheduler.main import describe_database as describe_jobs
from tests.support.databases import Inspector
from tests.support.postgresql import PostgresqlServer

JOBS = describe_jobs()
PRODUCTS = describe_products()
LOGS = describe_logs()
#: More than SQLite keeps in memory before it writes what is not committed yet.
BIG_RECORDS = 110
BIG_TEXT = "x" * 1_000_000


def add_records(url: str, count: int, text: str) -> None:
    engine = create_engine(parse_database_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO log_stream (name) VALUES ('w')")
        for number in range(1, count + 1):
            connection.exec_driver_sql(
                "INSERT INTO log_record (attempt_id, task_id, job_id, stream_id, sequence, time, level, "
                f"logger, message, host, process_id) VALUES (1, 1, 1, 1, {number}, 0, 20, 'l', '{text}', 'h', 1)"
            )
    engine.dispose()


def count_records(url: str) -> int:
    inspector = Inspector(url)
    try:
        return int(inspector.fetch("SELECT COUNT(*) FROM log_record")[0][0])
    finally:
        inspector.close()


def wait_until(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, f"it has ended with {process.returncode} before that"
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture(scope="module")
def big_dump(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Many long records in an SQLite database, and its dump."""
    folder = tmp_path_factory.mktemp("big")
    url = f"sqlite:///{folder}/logging.db"
    upgrade_schema(url, LOGS.migrations)
    add_records(url, BIG_RECORDS, BIG_TEXT)
    dump_database(url, LOGS, folder / "big.gz")
    return url, folder / "big.gz"


@pytest.fixture
def small_dump(tmp_path: Path) -> Path:
    url = f"sqlite:///{tmp_path}/small.db"
    upgrade_schema(url, LOGS.migrations)
    add_records(url, 3, "said")
    dump_database(url, LOGS, tmp_path / "small.gz")
    return tmp_path / "small.gz"


@pytest.fixture
def is_loading(make_database: Callable[[str], str]) -> Iterator[Callable[[], bool]]:
    """Tells whether somebody is in the middle of loading rows."""
    url = make_database("logging")
    parsed = parse_database_url(url)
    if parsed.get_backend_name() == "sqlite":
        wal = Path(f"{parsed.database}-wal")
        yield lambda: wal.exists() and wal.stat().st_size > 8 * 2**20
        return
    if parsed.get_backend_name() == "postgresql":
        statement = "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO log_record%'"
    else:
        statement = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO log_record%'"
    inspector = Inspector(url)
    yield lambda: bool(inspector.fetch(statement)[0][0])
    inspector.close()


def start_restore(url: str, path: Path) -> subprocess.Popen[bytes]:
    script = (
        "import sys; from pathlib import Path; from eas_logging.main import describe_database\n"
        "from eas.database_admin.restore import restore_database\n"
        "restore_database(sys.argv[1], describe_database(), Path(sys.argv[2]), overwrite=True)"
    )
    return subprocess.Popen([sys.executable, "-c", script, url, str(path)])


def test_a_killed_restore_leaves_what_was_there_or_is_recognised(
    make_database: Callable[[str], str],
    big_dump: tuple[str, Path],
    is_loading: Callable[[], bool],
    database_kind: str,
    small_dump: Path,
) -> None:
    url = make_database("logging")
    create(url, LOGS)
    add_records(url, 3, "before")
    process = start_restore(url, big_dump[1])
    wait_until(is_loading, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL

    if database_kind in ("mariadb", "mysql"):
        for use in (
            lambda: upgrade_schema(url, LOGS.migrations),
            lambda: dump_database(url, LOGS, small_dump.with_name("half.gz")),
            lambda: restore_database(url, LOGS, small_dump),
            lambda: create(url, LOGS),
        ):
            with pytest.raises(InterruptedRestoreError, match="half restored"):
                use()
        assert "half restored" in str(inspect_database(url, LOGS).findings)
    else:
        assert count_records(url) == 3
        assert inspect_database(url, LOGS).is_well

    restore_database(url, LOGS, big_dump[1], overwrite=True)
    assert count_records(url) == BIG_RECORDS
    assert inspect_database(url, LOGS).is_well


def test_a_killed_dump_is_no_dump(big_dump: tuple[str, Path], tmp_path: Path) -> None:
    url, whole = big_dump
    path = tmp_path / "killed.gz"
    script = (
        "import sys; from pathlib import Path; from eas_logging.main import describe_database\n"
        "from eas.database_admin.dump import dump_database\n"
        "dump_database(sys.argv[1], describe_database(), Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", script, url, str(path)])
    part = tmp_path / "killed.gz.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 0, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL

    assert not path.exists()
    with pytest.raises(DumpError, match=r"damaged or incomplete|no dump"):
        verify_dump(part)
    dump_database(url, LOGS, path)
    assert gzip.decompress(path.read_bytes()).splitlines()[1:] != []
    assert verify_dump(path).rows == verify_dump(whole).rows
    assert not part.exists()


def test_a_dump_cut_short_anywhere_is_refused(small_dump: Path, tmp_path: Path) -> None:
    whole = small_dump.read_bytes()
    target = f"sqlite:///{tmp_path}/target.db"
    cut = tmp_path / "cut.gz"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(DumpError):
            restore_database(target, LOGS, cut)
    assert not (tmp_path / "target.db").exists()


def test_a_flipped_bit_is_found_or_changes_nothing(small_dump: Path, tmp_path: Path) -> None:
    whole = small_dump.read_bytes()
    lines = gzip.decompress(whole)
    refused = 0
    flipped = tmp_path / "flipped.gz"
    for place in range(len(whole)):
        flipped.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        try:
            verify_dump(flipped)
        except DumpError:
            refused += 1
        else:
            assert gzip.decompress(flipped.read_bytes()) == lines
    assert refused > len(whole) - 16, "the gzip format has few bits that do not matter"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [*lines[:3], lines[3].replace(b"said", b"sung"), *lines[4:]], "damaged"),
        (lambda lines: [*lines, b"[1]"], "something follows"),
        (lambda lines: lines[:-1], "ends before"),
        (lambda lines: [*lines[:-2], lines[-1]], "damaged"),
        (lambda lines: [b"hello", *lines], "is no dump"),
        (lambda lines: [], "is no dump"),
        (lambda lines: [lines[0].replace(b'"eas_dump":1', b'"eas_dump":2'), *lines[1:]], "format 2"),
    ],
)
def test_lines_that_are_not_what_was_written_are_refused(
    small_dump: Path, change: Callable[[list[bytes]], list[bytes]], words: str
) -> None:
    lines = gzip.decompress(small_dump.read_bytes()).splitlines()
    small_dump.write_bytes(gzip.compress(b"".join(line + b"\n" for line in change(lines))))
    with pytest.raises(DumpError, match=words):
        verify_dump(small_dump)


def rewrite_header(path: Path, **changes: str) -> None:
    """Make a whole dump that says something else of itself."""
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[0] = orjson.dumps(orjson.loads(lines[0]) | changes) + b"\n"
    trailer = orjson.loads(lines[-1]) | {"sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest()}
    path.write_bytes(gzip.compress(b"".join(lines[:-1]) + orjson.dumps(trailer) + b"\n"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"revision": "9999"}, "newer than this one"),
        ({"eas": "999.0"}, "newer than this one"),
        ({"service": "scheduler"}, "dump of the scheduler service; expected logging"),
    ],
)
def test_a_dump_of_something_else_is_refused(
    small_dump: Path, tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    rewrite_header(small_dump, **changes)
    with pytest.raises(DumpError, match=words):
        restore_database(f"sqlite:///{tmp_path}/target.db", LOGS, small_dump)
    assert not (tmp_path / "target.db").exists()


def test_a_dump_of_an_older_revision_is_brought_up_to_date(make_database: Callable[[str], str], tmp_path: Path) -> None:
    old = f"sqlite:///{tmp_path}/old.db"
    upgrade_schema(old, LOGS.migrations, "0001")
    add_records(old, 2, "old")
    assert dump_database(old, LOGS, tmp_path / "old.gz").revision == "0001"
    url = make_database("logging")
    create(url, LOGS)

    report = restore_database(url, LOGS, tmp_path / "old.gz")

    assert (report.header.revision, report.rows["log_record"]) == ("0001", 2)
    assert count_records(url) == 2
    assert inspect_database(url, LOGS).is_well


def test_what_is_there_is_replaced_only_on_demand(make_database: Callable[[str], str], small_dump: Path) -> None:
    url = make_database("logging")
    create(url, LOGS)
    add_records(url, 2, "there")

    for refused in (lambda: create(url, LOGS), lambda: restore_database(url, LOGS, small_dump)):
        with pytest.raises(DatabaseNotEmptyError, match="it has 2 records, rows in log_stream"):
            refused()
    assert count_records(url) == 2

    restore_database(url, LOGS, small_dump, overwrite=True)
    assert count_records(url) == 3
    create(url, LOGS, overwrite=True)
    assert count_records(url) == 0
    create(url, LOGS)
    assert inspect_database(url, LOGS).is_well


def test_tables_of_something_else_are_left_alone(make_database: Callable[[str], str], small_dump: Path) -> None:
    url = make_database("foreign")
    inspector = Inspector(url)
    inspector.execute("CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY)")
    for refused in (
        lambda: create(url, LOGS, overwrite=True),
        lambda: restore_database(url, LOGS, small_dump, overwrite=True),
    ):
        with pytest.raises(ForeignDatabaseError, match="accounts"):
            refused()
    assert list(inspector.fetch("SELECT * FROM accounts")) == []
    inspector.close()


def test_a_file_that_is_there_is_kept(small_dump: Path, tmp_path: Path) -> None:
    before = small_dump.read_bytes()
    url = f"sqlite:///{tmp_path}/small.db"
    with pytest.raises(DumpError, match="is there already"):
        dump_database(url, LOGS, small_dump)
    assert small_dump.read_bytes() == before
    assert dump_database(url, LOGS, small_dump, overwrite=True).rows["log_record"] == 3
    assert small_dump.stat().st_mode & 0o777 == 0o600


def test_a_database_of_a_newer_eas_is_left_alone(make_database: Callable[[str], str]) -> None:
    url = make_database("newer")
    create(url, LOGS)
    inspector = Inspector(url)
    (newest,) = inspector.fetch("SELECT version_num FROM alembic_version")[0]
    inspector.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabaseError, match="9999"):
        upgrade_schema(url, LOGS.migrations)
    assert "of a newer EAS" in str(inspect_database(url, LOGS).findings)
    inspector.execute("UPDATE alembic_version SET version_num = :newest", newest=newest)
    inspector.close()


def test_words_are_indexed_anew_after_a_restore(make_database: Callable[[str], str], tmp_path: Path) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    upgrade_schema(source, LOGS.migrations)
    add_records(source, 3, "said")
    with sqlite3.connect(tmp_path / "source.db") as connection:
        connection.execute("INSERT INTO log_state (name, value) VALUES ('indexed', '3'), ('retention', 'null')")
    connection.close()
    dump_database(source, LOGS, tmp_path / "dump.gz")
    url = make_database("logging")
    create(url, LOGS)

    restore_database(url, LOGS, tmp_path / "dump.gz")

    inspector = Inspector(url)
    assert [row.name for row in inspector.fetch("SELECT name FROM log_state")] == ["retention"]
    inspector.close()


def test_a_key_that_was_given_out_is_not_given_out_again(
    make_database: Callable[[str], str], database_kind: str, tmp_path: Path
) -> None:
    url = make_database("product_store")
    create(url, PRODUCTS)
    columns = "directory, filename, semantic_type, generator_task_id, job_id, planned_at, planned, details"
    insertion = f"INSERT INTO product ({columns}) VALUES ('', :name, 's', 1, 1, 0, true, '{{}}')"
    inspector = Inspector(url)
    inspector.execute(insertion, name="a")
    if database_kind == "mysql":  # which, unless asked not to, says for a day what it has found now
        inspector.fetch("ANALYZE TABLE product")
    for name in ("b", "c"):
        inspector.execute(insertion, name=name)
    inspector.execute("DELETE FROM product WHERE filename <> 'a'")
    inspector.close()
    dump_database(url, PRODUCTS, tmp_path / "dump.gz")

    restore_database(url, PRODUCTS, tmp_path / "dump.gz", overwrite=True)

    inspector = Inspector(url)
    inspector.execute(insertion, name="d")
    assert [tuple(row) for row in inspector.fetch("SELECT product_id, filename FROM product ORDER BY product_id")] == [
        (1, "a"),
        (4, "d"),
    ]
    inspector.close()


FAULTS = {
    "counts": "UPDATE job SET done = done + 1",
    "accepted attempts": "UPDATE task SET accepted_attempt_id = 77",
    "tables": "DROP INDEX ix_task_job",
    "revision": "UPDATE alembic_version SET version_num = '0001'",
}
EXPECTED = {"counts": "jobs whose counts are not those of their tasks: 5", "accepted attempts": "is gone: 1"}
ROWS = """
INSERT INTO job (id, name, state, working_directory, document, seed, root_task_id, submitted_at, submitted_by, done)
    VALUES (5, 'j', 'done', '', '{}', 1, 1, 0, 'ada', 1);
INSERT INTO task (id, job_id, pointer, task_type, working_directory, seed, state)
    VALUES (1, 5, '[]', 'null', '', 1, 'done')
"""


def find_problems(url: str) -> dict[str, str]:
    return {found.name: found.problem for found in inspect_database(url, JOBS).findings if found.problem}


def test_faults_made_by_hand_are_found(make_database: Callable[[str], str], tmp_path: Path) -> None:
    """One database for all faults, one after the other: to make the tables takes longest."""
    url = make_database("faulty")
    create(url, JOBS, overwrite=True)
    inspector = Inspector(url)
    for statement in ROWS.split(";\n"):
        inspector.execute(statement)
    # Rows with keys of our own, as a careless import leaves them: PostgreSQL would give the key 5 out again.
    dump_database(url, JOBS, tmp_path / "dump.gz")
    restore_database(url, JOBS, tmp_path / "dump.gz", overwrite=True)
    assert find_problems(url).keys() <= {"largest packet"}
    assert inspect_database(url, JOBS).counts == {"jobs": 1, "tasks": 1, "attempts": 0}

    for fault, statement in FAULTS.items():
        assert fault not in find_problems(url)
        if fault == "tables" and "mysql" in url:
            statement = "ALTER TABLE attempt DROP COLUMN reuse"  # indexes of references cannot be dropped there
        inspector.execute(statement)
        found = find_problems(url)
        assert fault in found, f"{statement} is not found as a fault of {fault!r}"
        assert EXPECTED.get(fault, "") in found[fault]
    inspector.close()


def test_references_that_are_broken_are_found(make_database: Callable[[str], str], database_kind: str) -> None:
    url = make_database("broken")
    create(url, LOGS, overwrite=True)
    add_records(url, 2, "said")
    engine = create_engine(parse_database_url(url))
    with engine.connect() as connection:
        if database_kind == "postgresql":
            connection.exec_driver_sql("ALTER TABLE log_record DROP CONSTRAINT log_record_stream_id_fkey")
            connection.exec_driver_sql("DELETE FROM log_stream")
            connection.exec_driver_sql(
                "ALTER TABLE log_record ADD CONSTRAINT log_record_stream_id_fkey "
                "FOREIGN KEY (stream_id) REFERENCES log_stream (stream_id) NOT VALID"
            )
        else:
            off = "PRAGMA foreign_keys = OFF" if database_kind == "sqlite" else "SET FOREIGN_KEY_CHECKS = 0"
            connection.exec_driver_sql(off)
            connection.exec_driver_sql("DELETE FROM log_stream")
        connection.commit()
    engine.dispose()
    found = {found.name: found.problem for found in inspect_database(url, LOGS).findings if found.problem}
    assert found["references"] == "2 rows of log_record (stream_id) refer to log_stream"


def test_keys_that_postgresql_would_give_out_twice_are_found(postgresql_server: PostgresqlServer) -> None:
    url = postgresql_server.make_database()
    create(url, LOGS)
    inspector = Inspector(url)
    inspector.execute("INSERT INTO log_stream (stream_id, name) VALUES (1, 'w'), (2, 'v')")
    inspector.close()
    found = {found.name: found.problem for found in inspect_database(url, LOGS).findings if found.problem}
    assert found == {"next keys": "log_stream would give out 1, and has 2"}

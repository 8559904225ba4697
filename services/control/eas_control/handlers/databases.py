"""``eas db``: make, upgrade, dump, restore and check the services' databases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from eas_control.domain.dump_paths import place_dumps
from eas_control.domain.errors import UsageError
from eas_control.handlers.database_options import (
    DatabaseOption,
    FileArgument,
    FolderOption,
    OverwriteOption,
    ServiceName,
    ServiceOption,
    Step,
    choose_for,
    do_each,
    find_folder,
    hold_alone,
    locate,
)
from eas_control.handlers.options import JsonOption
from eas_control.views.documents import print_json
from eas_control.views.text import make_table, open_console, plain, styled

if TYPE_CHECKING:
    from eas_control.databases import ServiceDatabase

_STYLES = {"PASS": "green", "NOTE": "yellow", "FAIL": "red"}

app = typer.Typer(no_args_is_help=True, help="Make, upgrade, dump, restore and check the services' databases.")


@app.command()
def create(
    data: FolderOption = None,
    database: DatabaseOption = None,
    service: ServiceOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make databases that are missing, and empty tables. Over data that is there only with --overwrite."""
    from eas.database.engines import show_url
    from eas.database_admin.creation import make_database

    def make(found: ServiceDatabase) -> Step:
        report = make_database(found.url, found.description, overwrite=overwrite)
        words = "database and tables" if report.made_database else "tables"
        line = f"{found.service}: {words} made, revision {report.revision} ({show_url(found.url)})"
        return {"made_database": report.made_database, "revision": report.revision}, line

    with hold_alone(data) as folder:
        do_each(locate(folder, database, service), make, as_json=as_json)


@app.command()
def upgrade(
    data: FolderOption = None,
    database: DatabaseOption = None,
    service: ServiceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring tables to the newest revision. Services do the same when they start."""
    from eas.database.migrations import upgrade_schema
    from eas.database.servers import explained, require_database

    def bring(found: ServiceDatabase) -> Step:
        require_database(found.url)
        with explained(found.url):
            before, after = upgrade_schema(found.url, found.description.migrations, owner=found.description, patience=0)
        words = f"is at revision {after}" if before == after else f"from revision {before or 'none'} to {after}"
        return {"from": before, "to": after}, f"{found.service}: {words}"

    with hold_alone(data) as folder:
        do_each(locate(folder, database, service), bring, as_json=as_json)


@app.command()
def dump(
    file: FileArgument,
    data: FolderOption = None,
    database: DatabaseOption = None,
    service: ServiceOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a database to a file that every kind of database can be restored from. The services may go on working."""
    from eas.database_admin.dump import dump_database

    chosen = locate(find_folder(data), database, service)
    paths = place_dumps(file, [found.service for found in chosen], is_folder=Path(file).is_dir())
    for path in paths.values():
        if not path.parent.is_dir():
            raise UsageError(f"{path}: no such folder")
        if path.exists() and not overwrite:
            raise UsageError(f"{path} is there already; --overwrite replaces it")

    def write(found: ServiceDatabase) -> Step:
        path = paths[found.service]
        report = dump_database(found.url, found.description, path, overwrite=overwrite)
        rows = sum(report.rows.values())
        line = f"{found.service}: {rows} rows, {report.size} bytes, revision {report.revision} in {path}"
        return {"file": str(path), "rows": report.rows, "bytes": report.size, "revision": report.revision}, line

    do_each(chosen, write, as_json=as_json)


@app.command()
def restore(
    file: FileArgument,
    data: FolderOption = None,
    database: DatabaseOption = None,
    service: ServiceOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make databases what they were when they were dumped, on whatever kind. Services must not run meanwhile."""
    from eas.database.servers import create_database
    from eas.database_admin.restore import examine_dump, restore_database
    from eas_control.storage.folder_origin import write_origin

    with hold_alone(data) as folder:
        chosen = choose_for(file, locate(folder, database, service))
        paths = place_dumps(file, [found.service for found in chosen], is_folder=Path(file).is_dir())
        for found in chosen:
            examine_dump(paths[found.service], found.description)

        def read(found: ServiceDatabase) -> Step:
            path = paths[found.service]
            create_database(found.url)
            gives_ids = found.service != ServiceName.LOGGING
            report = restore_database(found.url, found.description, path, overwrite=overwrite, mark=gives_ids)
            if found.service == ServiceName.PRODUCT_STORE and data is not None:
                write_origin(folder, found.url)
            rows = sum(report.rows.values())
            made_at = report.header.made_at.strftime("%Y-%m-%d %H:%M:%S UTC")
            line = f"{found.service}: {rows} rows of {made_at}, now revision {report.revision}"
            body = {"file": str(path), "rows": report.rows, "made_at": report.header.made_at.isoformat()}
            return {**body, "from": report.header.revision, "to": report.revision}, line

        do_each(chosen, read, as_json=as_json)


@app.command()
def check(
    data: FolderOption = None,
    database: DatabaseOption = None,
    service: ServiceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look whether databases are as they should be, each and together; status 1 if not. Services may go on working."""
    from eas.database_admin.inspection import inspect_database
    from eas_control.storage.suite_check import check_suite

    databases = locate(find_folder(data), database, service)
    found = [inspect_database(each.url, each.description) for each in databases]
    is_well = all(each.is_well for each in found)
    # Only databases that can be read as they should be can be compared with each other.
    comparable = len(found) == len(ServiceName) and all(each.is_readable for each in found)
    together = check_suite({each.service: each.url for each in databases}) if comparable else []
    is_well = is_well and not any(finding.is_fault and finding.words for finding in together)
    if as_json:
        services = [
            {
                "service": each.service,
                "database": each.place,
                "ok": each.is_well,
                "counts": each.counts,
                "findings": [{"name": finding.name, "problem": finding.problem} for finding in each.findings],
            }
            for each in found
        ]
        suite = [
            {"name": one.name, "problem": one.words, "is_fault": one.is_fault, "count": one.count} for one in together
        ]
        print_json({"ok": is_well, "services": services, "suite": suite})
    else:
        table = make_table("service", "checked", "", "what is wrong")
        for each in found:
            for finding in each.findings:
                outcome = "PASS" if finding.problem is None else "FAIL"
                table.add_row(each.service, finding.name, styled(outcome, _STYLES), plain(finding.problem or ""))
        for one in together:
            outcome = "PASS" if one.words is None else "FAIL" if one.is_fault else "NOTE"
            table.add_row("together", one.name, styled(outcome, _STYLES), plain(one.words or ""))
        open_console().print(table)
    if not is_well:
        raise typer.Exit(1)

"""Which database a data folder's products are listed in: bytes without their rows are lost, and so are the rows.

The file ``database.json`` in the data folder says so, without user and password.
"""

from __future__ import annotations

import json
from pathlib import Path

from eas.database.engines import parse_database_url
from eas_control.domain.errors import SuiteStartError
from eas_control.storage.data_folder import DataFolder

ORIGIN_NAME = "database.json"
_DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306}


def refuse_other_origin(folder: DataFolder, url: str) -> None:
    """See that the folder's products, if there are any, are listed in this database.

    Parameters
    ----------
    folder
        The data folder.
    url
        Of the product store's database.

    Raises
    ------
    SuiteStartError
        They are listed in another one.
    """
    origin, asked = _read_origin(folder), _name_origin(folder, url)
    if origin is None or origin == asked or not _has_products(folder.products):
        return
    raise SuiteStartError(
        f"the products in {folder.path} are listed in {origin}, not in {asked}: give that database, or another data "
        f"folder with --data. If the database has moved: `eas db restore FILE --data {folder.path} --database URL`, "
        f"or remove {folder.path / ORIGIN_NAME} if it has another address now"
    )


def write_origin(folder: DataFolder, url: str) -> None:
    """Say in which database the folder's products are listed."""
    path = folder.path / ORIGIN_NAME
    if _read_file(path) == (asked := _name_origin(folder, url)):
        return
    temporary = path.with_name(f".{ORIGIN_NAME}")
    temporary.write_text(json.dumps({"product_store": asked}) + "\n", "utf-8")
    temporary.replace(path)


def _read_origin(folder: DataFolder) -> str | None:
    """Read what was written; a folder of an EAS that did not write it has its own database or none."""
    own = folder.path / "product_store.db"
    return _read_file(folder.path / ORIGIN_NAME) or (own.name if own.exists() else None)


def _read_file(path: Path) -> str | None:
    try:
        found = json.loads(path.read_text("utf-8"))["product_store"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SuiteStartError(f"{path}: expected the name of a database ({type(error).__name__})") from error
    return str(found)


def _name_origin(folder: DataFolder, url: str) -> str:
    parsed = parse_database_url(url)
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        path = Path(str(parsed.database)).absolute()
        return path.name if path.parent == folder.path else str(path)
    host = str(parsed.host or parsed.query.get("host") or "localhost").rpartition("@")[2]
    return f"{kind}://{host}:{parsed.port or _DEFAULT_PORTS[kind]}/{parsed.database}"


def _has_products(folder: Path) -> bool:
    return any(found.is_file() for found in folder.rglob("*"))

"""A service given another's database leaves it alone: the revisions of all have the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest
from sqlalchemy import create_engine, inspect

from eas.database.description import DatabaseDescription
from eas.database.engines import parse_database_url
from eas.database.errors import ForeignDatabaseError
from eas.database.migrations import upgrade_schema
from eas.database_admin.inspection import inspect_database
from eas_logging.storage.database import DATABASE as LOGGING
from eas_product_store.storage.database import DATABASE as PRODUCT_STORE
from eas_scheduler.storage.database import DATABASE as SCHEDULER


def read_tables(url: str) -> dict[str, list[str]]:
    engine = create_engine(parse_database_url(url))
    inspector = inspect(engine)
    found = {name: [column["name"] for column in inspector.get_columns(name)] for name in inspector.get_table_names()}
    engine.dispose()
    return found


@pytest.mark.parametrize(("owner", "stranger"), list(permutations((SCHEDULER, PRODUCT_STORE, LOGGING), 2)))
def test_it_is_refused_and_not_changed(
    owner: DatabaseDescription, stranger: DatabaseDescription, make_database: Callable[[str], str]
) -> None:
    url = make_database(f"{owner.service} only")
    upgrade_schema(url, owner.migrations, owner=owner)
    before = read_tables(url)
    with pytest.raises(ForeignDatabaseError, match=f"not the {stranger.service} service's"):
        upgrade_schema(url, stranger.migrations, owner=stranger)
    assert "service's" in str(inspect_database(url, stranger).findings[-1].problem)
    assert read_tables(url) == before
    upgrade_schema(url, owner.migrations, owner=owner)
    assert inspect_database(url, owner).findings[0].problem is None

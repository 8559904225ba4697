"""Every whole number that a client may send is one that every database can hold, as the documentation pages say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from eas.contracts.values import MAX_INTEGER, MIN_INTEGER
from eas_logging.main import create_app as create_log_service
from eas_logging.settings import LoggingSettings
from eas_product_store.main import create_app as create_product_store
from eas_product_store.settings import ProductStoreSettings
from eas_scheduler.main import create_app as create_scheduler
from eas_scheduler.settings import SchedulerSettings

#: Read by a validator that the schema does not show, and bounded behind it: 0 to 100.
LEVELS = ("min_level", "max_level")


def make_apps() -> dict[str, FastAPI]:
    url = "sqlite:////nowhere/eas.db"
    return {
        "scheduler": create_scheduler(SchedulerSettings(database_url=url)),
        "product store": create_product_store(ProductStoreSettings(database_url=url)),
        "log service": create_log_service(LoggingSettings(database_url=url)),
    }


def find_unbounded(
    schema: dict[str, Any], document: dict[str, Any], place: str, seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from find_unbounded(document["components"]["schemas"][name], document, place, seen | {name})
        return
    if schema.get("type") == "integer" and not place.endswith(LEVELS):
        high = schema.get("maximum", schema.get("exclusiveMaximum", float("inf")))
        low = schema.get("minimum", schema.get("exclusiveMinimum", float("-inf")))
        if not float(MIN_INTEGER) <= low <= high <= float(MAX_INTEGER):  # FastAPI writes bounds as floats
            yield place
    inner = [part for key in ("anyOf", "allOf", "oneOf") for part in schema.get(key, [])]
    inner += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
    for part in inner:
        yield from find_unbounded(part, document, place, seen)
    for name, part in schema.get("properties", {}).items():
        yield from find_unbounded(part, document, f"{place}.{name}", seen)


@pytest.mark.parametrize("service", ["scheduler", "product store", "log service"])
def test_whole_numbers_have_bounds(service: str) -> None:
    document = make_apps()[service].openapi()
    found: set[str] = set()
    numbers = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            place = f"{method} {path}"
            for parameter in operation.get("parameters", []):
                numbers += "integer" in str(parameter["schema"])
                found |= set(find_unbounded(parameter["schema"], document, f"{place} {parameter['name']}"))
            for content in operation.get("requestBody", {}).get("content", {}).values():
                found |= set(find_unbounded(content.get("schema", {}), document, f"{place} body"))
    assert numbers > 5
    assert found == set()

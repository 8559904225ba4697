"""What others must know of the product store's database to make, move and check it."""

from __future__ import annotations

from pathlib import Path

from services.product_store.storage.schema import METADATA
from shared.database.description import DatabaseDescription

DATABASE = DatabaseDescription(
    service="product_store",
    variable="EAS_PRODUCT_STORE_DATABASE_URL",
    migrations=Path(__file__).parent / "migrations",
    metadata=METADATA,
    counted={"products": "product", "versions": "version", "verdicts": "verdict"},
)

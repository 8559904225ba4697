"""What others must know of the product store's database to make, move and check it."""

from __future__ import annotations

from pathlib import Path

from eas.database.description import DatabaseDescription
from eas_product_store.storage.schema import METADATA

DATABASE = DatabaseDescription(
    service="product_store",
    variable="EAS_PRODUCT_STORE_DATABASE_URL",
    migrations=Path(__file__).parent / "migrations",
    metadata=METADATA,
    counted={"products": "product", "versions": "version", "verdicts": "verdict"},
)

"""Let attempts take over versions that equal attempts made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eas.contracts.errors import ProductExistsError, QuotaExceededError, VersionExistsError
from eas.contracts.products import Adoption
from eas_product_store.domain.version import Deposit, Version, check_same_bytes, find_adoption_fault
from eas_product_store.logic.deposit import claim_product
from eas_product_store.logic.ports import Catalog, CatalogAccess, Clock
from eas_product_store.logic.quotas import charge


class Adoptions:
    """Adopts versions: no byte is copied."""

    def __init__(self, catalog: CatalogAccess, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def adopt(self, adoptions: Sequence[Adoption], deposits: Sequence[Deposit]) -> list[Version | str]:
        """Adopt versions, each by itself.

        Parameters
        ----------
        adoptions
            Which versions.
        deposits
            For each, what its attempt would have stored.

        Returns
        -------
        For each, the attempt's version, or words that say why there is none. Of the same product it is the version
        itself, of another a new one with its bytes and metadata.
        """

        def command(catalog: Catalog) -> list[Version | str]:
            sources = catalog.versions.find({adoption.version_id for adoption in adoptions})
            return [
                self._adopt(catalog, sources.get(adoption.version_id), adoption, deposit)
                for adoption, deposit in zip(adoptions, deposits, strict=True)
            ]

        return await self._catalog.write(command)

    def _adopt(self, catalog: Catalog, source: Version | None, adoption: Adoption, deposit: Deposit) -> Version | str:
        fault = find_adoption_fault(source, adoption.sha256, adoption.semantic_type)
        if source is None or fault is not None:
            return fault or ""
        try:
            product = claim_product(catalog, deposit, "body.adoptions")
            if product.product_id == source.product_id:
                return source
            if known := catalog.versions.find_by_attempt(product.product_id, deposit.attempt_id):
                check_same_bytes(known, source.fingerprint)
                return known
            charge(catalog, deposit.promise.directory, source.fingerprint.size)
        except (ProductExistsError, VersionExistsError, QuotaExceededError) as error:
            return error.message
        same = replace(deposit, mime_type=source.mime_type, metadata=source.metadata)
        return catalog.versions.adopt(product, source, same, self._clock())

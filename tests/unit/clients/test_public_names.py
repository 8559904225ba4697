"""What users import exists, and the lists of names agree."""

from __future__ import annotations

from types import ModuleType

import pytest

import eas
import eas.client
import eas.logging


@pytest.mark.parametrize("package", [eas, eas.client, eas.logging], ids=lambda package: package.__name__)
def test_every_public_name_can_be_imported_and_is_listed(package: ModuleType) -> None:
    names = package.__all__
    assert len(names) == len(set(names))
    assert [name for name in names if getattr(package, name, None) is None] == []
    assert set(names) <= set(dir(package))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name

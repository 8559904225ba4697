from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def real_light_curves() -> Path:
    """The folder of real mission light curves that lies next to the repository."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "data" / "lightcurves"
    if not folder.is_dir():
        pytest.skip("the folder of real light curves is not there")
    return folder

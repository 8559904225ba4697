"""External light curves that are ingested again: new versions of the same products, whatever has changed meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import running_suite

pytestmark = pytest.mark.acceptance

INGEST: dict[str, Any] = {
    "working_directory": "external",
    "task_list": [{"task": "ingest_external_lcs", "input_path": "*.csv"}],
}


def test_files_can_be_ingested_again(tmp_path: Path) -> None:
    folder = tmp_path / "curves"
    folder.mkdir()
    for name, flux in (("b", 0.9), ("c", 0.8)):
        (folder / f"{name}.csv").write_text(f"# #star={name}\n0,1.0,0\n0.1,{flux},0\n0.2,1.1,0\n")
    with running_suite(tmp_path / "data", "--input", folder) as suite:
        # Given a folder that was ingested
        assert suite.submit(INGEST, "--wait", "--timeout", "100")["state"] == "done"
        before = {product["filename"]: product for product in suite.ask("products", "ls", "--directory", "external")}
        assert sorted(before) == ["b.npz", "c.npz"]
        # When a file is changed, another one comes before all, and the folder is ingested by another job
        (folder / "a.csv").write_text("# #star=a\n0,1.0,0\n0.1,0.7,0\n0.2,1.1,0\n")
        (folder / "c.csv").write_text("# #star=c\n0,1.0,0\n0.1,0.5,0\n0.2,1.1,0\n")
        assert suite.submit(INGEST, "--wait", "--timeout", "100")["state"] == "done"
        # Then there are new versions; that of the file which is the same has the same bytes
        after = {product["filename"]: product for product in suite.ask("products", "ls", "--directory", "external")}
        assert {name: product["versions"] for name, product in after.items()} == {"a.npz": 1, "b.npz": 2, "c.npz": 2}
        assert {name: product["product_id"] for name, product in after.items() if name in before} == {
            name: product["product_id"] for name, product in before.items()
        }
        assert after["b.npz"]["latest"]["sha256"] == before["b.npz"]["latest"]["sha256"]
        assert after["c.npz"]["latest"]["sha256"] != before["c.npz"]["latest"]["sha256"]
        assert after["b.npz"]["semantic_type"] == "lightcurve_00001"
        assert after["b.npz"]["latest"]["metadata"]["star"] == "b"
        assert after["b.npz"]["latest"]["metadata"]["time_system"] == "relative"

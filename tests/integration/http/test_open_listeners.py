"""A service that anyone could reach does not start without tokens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("service", ["scheduler", "product_store", "logging"])
def test_a_service_beyond_loopback_without_tokens_refuses_and_says_why(service: str, tmp_path: Path) -> None:
    prefix = f"EAS_{service.upper()}_"
    environment = os.environ | {
        f"{prefix}DATABASE_URL": f"sqlite:///{tmp_path}/{service}.db",
        f"{prefix}HOST": "0.0.0.0",
        f"{prefix}PORT": "0",
    }
    command = [sys.executable, "-m", f"eas_{service}.main"]
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert "refusing to listen on 0.0.0.0 without tokens" in ended.stderr
    assert list(tmp_path.iterdir()) == []

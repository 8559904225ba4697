"""Services in processes of their own. A fake would not do: what counts is how the real program starts and stops."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

#: Runs a program as a shell without job control does in the background, and as `nohup` does.
DEAF = ("sh", "-c", 'trap "" INT HUP; exec "$@"', "sh")
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) [\w.]+: ")


@pytest.mark.parametrize("service", ["scheduler", "product_store", "logging"])
def test_a_lone_service_writes_times_and_levels_and_hears_sigint(service: str, tmp_path: Path) -> None:
    prefix = f"EAS_{service.upper()}_"
    environment = os.environ | {
        f"{prefix}DATABASE_URL": f"sqlite:///{tmp_path}/{service}.db",
        f"{prefix}PORT": "0",
        "EAS_PRODUCT_STORE_ARCHIVE": str(tmp_path / "archive"),
    }
    command = [*DEAF, sys.executable, "-m", f"eas_{service}.main"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "running on http" in line:
                process.send_signal(signal.SIGHUP)
                process.send_signal(signal.SIGINT)
        assert process.wait(120) in (0, -signal.SIGINT, 128 + signal.SIGINT)
    assert "running on http" in "".join(lines)
    assert [line for line in lines if not LINE.match(line)] == []
    assert "Application shutdown complete" in "".join(lines)

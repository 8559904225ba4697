"""Task types that misbehave on request. Children of the workers under test import this module by its name."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from eas.authoring.errors import InputError
from eas.authoring.task_type import Slot, TaskContext, TaskSettings, TaskType, Verdict
from eas.contracts.metadata import Metadata

logger = logging.getLogger(__name__)

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class ActSettings(TaskSettings):
    act: str
    note: str = ""
    count: int = 0
    gate: str = ""


def run_act(context: TaskContext, settings: ActSettings) -> Metadata:
    if settings.gate:
        Path(settings.gate).write_text("waiting")
        while Path(settings.gate).exists():
            time.sleep(0.01)
    match settings.act:
        case "raise":
            raise RuntimeError("the star went out")
        case "input":
            raise InputError(f"{settings.note}: no samples")
        case "memory":
            raise MemoryError
        case "exit":
            sys.exit(3)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            ctypes.string_at(0)
        case "where":
            Path("scratch").write_text("x")
            temporary = tempfile.NamedTemporaryFile(delete=False)  # noqa: SIM115
            temporary.close()
            return {"directory": str(context.directory), "cwd": str(Path.cwd()), "temporary": temporary.name}
        case "pid":
            return {"pid": os.getpid(), "group": os.getpgrp(), "token": os.environ.get("EAS_WORKER_TOKEN", "")}
        case "wait":
            Path(settings.note).write_text(str(os.getpid()))
            while True:
                time.sleep(0.02)
        case "see" | "run_on":
            given = (
                os.environ["CUDA_VISIBLE_DEVICES"] if settings.act == "see" else str(sorted(os.sched_getaffinity(0)))
            )
            Path(settings.note).write_text(given)
            time.sleep(600)
        case "share":
            names = {"omp": "OMP_NUM_THREADS", "numba": "NUMBA_NUM_THREADS", "blas": "OPENBLAS_NUM_THREADS"}
            seen = {short: os.environ[name] for short, name in names.items()}
            return {"cpus": context.cpus, "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "all"), **seen}
        case "orphan":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)
        case "defy":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen([sys.executable, "-c", DEAF])
            Path(settings.note).write_text(f"{os.getpid()} {child.pid}")
            time.sleep(600)
        case "breed":
            child = subprocess.Popen(["sleep", "600"])
            Path(settings.note).write_text(f"{os.getpid()} {child.pid}")
            time.sleep(600)
        case "fill":
            Path("big").write_bytes(bytes(settings.count))
        case "fill by program":
            subprocess.run(["sh", "-c", f"head -c {settings.count} /dev/zero > big"], check=True)
        case "talk":
            print("printed words")
            logger.info("logged %d words", 3)
            warnings.warn("a warning", UserWarning, stacklevel=1)
        case "long":
            return {"text": "x" * settings.count}
        case "count":
            return {"count": settings.count}
        case "nan":
            return {"period": float("nan")}
        case "busy":
            until = time.process_time() + 0.05
            while time.process_time() < until:
                pass
            subprocess.run([sys.executable, "-S", "-c", "sum(range(3000000))"], check=True)
    return {"note": settings.note}


ACT = TaskType(name="act", version="1", run=run_act, settings=ActSettings)


class CopySettings(TaskSettings):
    verdict: str = "yes"
    content: str | None = None
    skip: bool = False
    outside: bool = False
    seconds: float = 0.0


def run_copy(context: TaskContext, settings: CopySettings) -> Metadata:
    time.sleep(settings.seconds)
    content = context.inputs["original"].path.read_text() if "original" in context.inputs else ""
    if settings.content is not None:
        content = settings.content
    path = context.path_for("copy")
    if settings.outside:
        path = Path("/etc/hostname")
    else:
        path.write_text(content)
    if not settings.skip:
        context.add_output("copy", path, metadata={"length": len(content)})
    return {"length": len(content)}


def check_copy(context: TaskContext, metadata: Metadata) -> Sequence[Verdict]:
    name = context.inputs["original"].metadata.get("wait") if "original" in context.inputs else None
    if name:
        Path(name).write_text("checking")
        time.sleep(600)
    (file,) = context.outputs
    if "raise" in file.path.read_text():
        raise ZeroDivisionError("quality control broke")
    if "bad" in file.path.read_text():
        return [Verdict(passed=False, reason="it is bad", slot="copy")]
    return [Verdict(passed=True, reason="looked at", slot="copy")]


COPY = TaskType(
    name="copy",
    version="1",
    run=run_copy,
    check=check_copy,
    settings=CopySettings,
    inputs=(Slot("original", required=False),),
    outputs=(Slot("copy", mime_type="text/plain"),),
)

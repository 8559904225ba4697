"""Small tasks whose results, files and log lines can be told beforehand."""

import hashlib
import logging
import time

from eas import Field, Metadata, TaskContext, TaskError, TaskSettings, task_type

logger = logging.getLogger(__name__)

LINES = 3


class SourceSettings(TaskSettings):
    number: int = Field(description="What the file holds.")
    pause: float = Field(default=0.4, ge=0, description="How long it takes [s].")


@task_type(version="1", outputs=["numbers"], uses_seed=False)
def source(context: TaskContext, settings: SourceSettings) -> Metadata:
    """Write a file that follows from the settings."""
    for line in range(LINES):
        logger.info("source %d says line %d", settings.number, line)
    time.sleep(settings.pause)
    path = context.path_for("numbers")
    path.write_bytes(b"".join(b"%d\n" % (settings.number * step) for step in range(200)))
    context.add_output("numbers", path)
    return {"number": settings.number}


class DigestSettings(TaskSettings):
    pause: float = Field(default=0.4, ge=0, description="How long it takes [s].")


@task_type(version="1", inputs=["numbers"], outputs=["digest"], uses_seed=False)
def digest(context: TaskContext, settings: DigestSettings) -> Metadata:
    """Write the digest of a file."""
    found = hashlib.sha256(context.input_path("numbers").read_bytes()).hexdigest()
    for line in range(LINES):
        logger.info("digest %s says line %d", found[:8], line)
    time.sleep(settings.pause)
    path = context.path_for("digest")
    path.write_text(found + "\n")
    context.add_output("digest", path)
    return {"sha256": found}


@task_type(version="1", uses_seed=False)
def hopeless(context: TaskContext) -> Metadata:
    """Fail, always for the same reason."""
    logger.info("hopeless")
    raise TaskError("this cannot work")

"""The files of a task that runs by itself: its TOML or INI file, its inputs with their metadata, its outputs."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eas.contracts.metadata import Metadata, MetadataValue
from eas_worker.domain.run_file import RunFile, RunFileError, read_plain_value, read_run_file

METADATA_SUFFIX = ".metadata.cfg"
INI_SUFFIXES = frozenset({".ini", ".cfg", ".conf"})


def open_run_file(path: Path) -> RunFile:
    """Read the file of a task: INI if its name ends in .ini, .cfg or .conf, else TOML.

    Raises
    ------
    RunFileError
        It cannot be read, or is wrong.
    """
    text = _read_text(path)
    if path.suffix.lower() in INI_SUFFIXES:
        return read_run_file(_parse_ini(text, path), str(path), is_text=True)
    try:
        return read_run_file(tomllib.loads(text), str(path), is_text=False)
    except tomllib.TOMLDecodeError as error:
        raise RunFileError(f"{path}: {error}") from error


def find_inputs(file: RunFile, folders: Sequence[Path]) -> dict[str, tuple[Path, Metadata]]:
    """Find the inputs, and read the metadata beside them.

    Parameters
    ----------
    folders
        Where a relative path may lead to; it has to be one file.

    Raises
    ------
    RunFileError
        There is no such file, or another one in each of two folders; or its metadata cannot be read.
    """
    found = {}
    for slot, name in file.inputs.items():
        path = _find_file(f"{file.source}: [inputs] {slot}", [folder / name for folder in folders])
        found[slot] = (path, read_metadata(path))
    return found


def _find_file(where: str, candidates: Sequence[Path]) -> Path:
    present: list[Path] = []
    for path in dict.fromkeys(candidates):
        if path.is_file() and not any(path.samefile(other) for other in present):
            present.append(path)
    if len(present) > 1:
        both = " and ".join(str(path) for path in present)
        raise RunFileError(f"{where}: two files are meant, {both}; say with --base which folder counts")
    if not present:
        raise RunFileError(f"{where}: there is no file {' or '.join(str(path) for path in dict.fromkeys(candidates))}")
    return present[0]


def read_metadata(path: Path) -> Metadata:
    """Read the metadata of a file from section ``metadata`` of ``<path>.metadata.cfg``; none where there is none."""
    beside = path.with_name(path.name + METADATA_SUFFIX)
    if not beside.exists():
        return {}
    sections = _parse_ini(_read_text(beside), beside)
    if set(sections) != {"metadata"}:
        raise RunFileError(f"{beside}: expected one section, [metadata]; there is {', '.join(sections) or 'none'}")
    return {key: read_plain_value(value) for key, value in sections["metadata"].items()}


def write_metadata(path: Path, metadata: Mapping[str, MetadataValue]) -> None:
    """Write the metadata of a file beside it, so that `read_metadata` reads the same."""
    lines = ["[metadata]", *(f"{key} = {_write_plain_value(value)}" for key, value in metadata.items())]
    part = path.with_name(f".{path.name}{METADATA_SUFFIX}.part")
    part.write_text("\n".join(lines) + "\n", "utf-8")
    part.replace(path.with_name(path.name + METADATA_SUFFIX))


def put_file(source: Path, target: Path) -> None:
    """Copy a file to its place, which never holds half of it.

    Raises
    ------
    RunFileError
        It cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise RunFileError(f"{target}: cannot be written: {error.strerror}") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise RunFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RunFileError(f"{path}: is not text in UTF-8: {error}") from error


def _parse_ini(text: str, path: Path) -> dict[str, dict[str, Any]]:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text, str(path))
    except configparser.Error as error:
        raise RunFileError(f"{path}: {error.message}") from error
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _write_plain_value(value: MetadataValue) -> str:
    """Write a value so that `read_plain_value` gives it back; text without quotes where that is possible."""
    if isinstance(value, str) and value == value.strip() and value.isprintable() and read_plain_value(value) == value:
        return value
    return json.dumps(value)

"""Whole files over blocking connections: what breaks, who is told, and what is left."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eas.client.transports.bulk import BulkConnections
from eas.contracts.errors import DigestMismatchError, UnavailableError
from tests.support import stream_server
from tests.support.stream_server import Handler

DATA = os.urandom(5 << 20)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[BulkConnections]:
    """Connections to a server that does as a handler says."""
    async with stream_server.serving(handler) as url:
        connections = BulkConnections(f"{url}/store", {"X-Who": "ada"})
        yield connections
        connections.close()


async def answer(writer: asyncio.StreamWriter, body: bytes, announced: int | None = None) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) if announced is None else announced))
    writer.write(body)
    await writer.drain()


async def test_a_file_is_fetched_with_its_digest(tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await answer(writer, DATA)

    async with serving(handle) as connections:
        for _ in range(2):
            with (tmp_path / "back").open("wb") as file:
                response, sha256 = await connections.fetch("content?name=a+b&accepted=true", file)
            assert (response.status, sha256) == (200, hashlib.sha256(DATA).hexdigest())
            assert (tmp_path / "back").read_bytes() == DATA
    assert heads[0].startswith(b"GET /store/content?name=a+b&accepted=true HTTP/1.1\r\n")
    assert b"X-Who: ada" in heads[0]
    assert len(heads) == 2


async def test_a_kept_connection_that_was_closed_is_made_anew(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(writer, b"small")

    async with serving(handle) as connections:
        for _ in range(3):
            with (tmp_path / "back").open("wb") as file:
                await connections.fetch("content", file)
            assert (tmp_path / "back").read_bytes() == b"small"


@pytest.mark.parametrize("size", [1000, 3 << 20])
async def test_an_answer_that_breaks_off_is_no_file(tmp_path: Path, size: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(writer, DATA[: size - 1], announced=size)

    async with serving(handle) as connections:
        with (tmp_path / "back").open("wb") as file, pytest.raises(UnavailableError):
            await connections.fetch("content", file)


async def test_a_disk_that_is_full_is_not_the_services_fault() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(writer, DATA)

    async with serving(handle) as connections:
        with Path("/dev/full").open("wb", 0) as file, pytest.raises(OSError, match="No space left"):
            await connections.fetch("content", file)


async def test_who_is_cancelled_does_not_wait_for_a_silent_service(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    async with serving(handle) as connections:
        with (tmp_path / "back").open("wb") as file:
            fetching = asyncio.create_task(connections.fetch("content", file))
            await asked.wait()
            fetching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(asyncio.shield(fetching), 120)


async def test_a_part_of_a_file_is_sent(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
        bodies.append(await reader.readexactly(int(length.split()[1])))
        await answer(writer, b"{}")

    path = tmp_path / "long"
    path.write_bytes(DATA)
    async with serving(handle) as connections:
        with path.open("rb") as file:
            response = await connections.send_file("PATCH", "uploads/1", file, 1000, len(DATA) - 1000, {})
    assert (response.status, response.content, bodies) == (200, b"{}", [DATA[1000:]])


async def test_a_file_that_became_shorter_is_told_of(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    path = tmp_path / "long"
    path.write_bytes(b"short")
    async with serving(handle) as connections:
        with path.open("rb") as file, pytest.raises(DigestMismatchError, match="shorter"):
            await connections.send_file("PATCH", "uploads/1", file, 0, 1000, {})


async def test_a_refusal_before_the_whole_file_was_read_is_an_answer(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\n{}")

    path = tmp_path / "long"
    path.write_bytes(DATA)
    async with serving(handle) as connections:
        for _ in range(2):
            with path.open("rb") as file:
                found = await connections.send_file("PUT", "versions", file, 0, len(DATA), {})
            assert (found.status, found.content) == (413, b"{}")

"""The lean HTTP client against a server that says exactly what the test wants, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from eas.client.scheduler import SchedulerClient
from eas.client.transports.kept_connections import KeptConnections
from eas.contracts.errors import NotFoundError, UnavailableError
from eas.contracts.scheduler import ClaimRequest
from tests.support.stream_server import serving

CLAIM = ClaimRequest(worker_id="w", per_type={"null": 1})


@dataclass
class ScriptedServer:
    """Answers each request with the next of its replies; None closes the connection without one."""

    replies: list[bytes | None]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
            self.requests.append(head + await reader.readexactly(size))
            reply = self.replies.pop(0)
            if reply is None:
                break
            writer.write(reply)
            if b"Connection: close" in reply:
                break


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    found = ScriptedServer([])
    async with serving(found.serve) as url:
        found.url = f"{url}/scheduler"
        yield found


@pytest.fixture
async def connections(server: ScriptedServer) -> AsyncIterator[KeptConnections]:
    found = KeptConnections(server.url, {"Authorization": "Bearer t"})
    yield found
    await found.close()


def reply(body: bytes, head: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def test_requests_share_one_connection(server: ScriptedServer, connections: KeptConnections) -> None:
    server.replies = [reply(b"{}"), reply(b"[1]"), reply(b"")]
    answers = [await connections.send("POST", "attempts/claim", b'{"a": 1}', 5.0, {}) for _ in range(3)]
    assert [answer.content for answer in answers] == [b"{}", b"[1]", b""]
    assert server.connections == 1
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /scheduler/attempts/claim HTTP/1.1\r\n")
    assert b"Authorization: Bearer t" in head
    assert body == b'{"a": 1}'


async def test_chunks_and_interim_answers_are_understood(server: ScriptedServer, connections: KeptConnections) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    server.replies = [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + chunked, reply(b"next")]
    assert (await connections.send("POST", "a", b"", 5.0, {})).content == b"abcde"
    assert (await connections.send("POST", "a", b"", 5.0, {})).content == b"next"
    assert server.connections == 1


async def test_an_answer_without_length_ends_with_its_connection(
    server: ScriptedServer, connections: KeptConnections
) -> None:
    server.replies = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it", reply(b"next")]
    assert (await connections.send("POST", "a", b"", 5.0, {})).content == b"all of it"
    assert (await connections.send("POST", "a", b"", 5.0, {})).content == b"next"
    assert server.connections == 2


@pytest.mark.parametrize("bad", [None, b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_no_whole_answer_means_unavailable_and_a_new_connection(
    server: ScriptedServer, connections: KeptConnections, bad: bytes | None
) -> None:
    server.replies = [bad, reply(b"fine")]
    with pytest.raises(UnavailableError, match="scheduler/a"):
        await connections.send("POST", "a", b"", 5.0, {})
    assert (await connections.send("POST", "a", b"", 5.0, {})).content == b"fine"


async def test_a_late_answer_is_never_taken_for_the_next_one(
    server: ScriptedServer, connections: KeptConnections
) -> None:
    server.replies = [b"", reply(b"fine")]
    with pytest.raises(UnavailableError, match="TimeoutError"):
        await connections.send("POST", "a", b"", 0.05, {})
    assert (await connections.send("POST", "a", b"", 5.0, {})).content == b"fine"
    assert server.connections == 2


async def test_nobody_listening_means_unavailable() -> None:
    connections = KeptConnections("http://127.0.0.1:9", {})
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9"):
        await connections.send("POST", "a", b"", 5.0, {})


async def test_the_schedulers_errors_come_back_as_their_class(server: ScriptedServer) -> None:
    body = b'{"slug": "not_found", "message": "no worker w"}'
    server.replies = [reply(body, b"HTTP/1.1 404 Not Found"), reply(b"<html>", b"HTTP/1.1 502 Bad Gateway")]
    async with SchedulerClient(server.url, None) as client:
        with pytest.raises(NotFoundError, match="no worker w"):
            await client.claim(CLAIM)
        with pytest.raises(UnavailableError, match="HTTP 502"):
            await client.claim(CLAIM)


async def test_headers_of_one_request_are_sent_with_it_alone(
    server: ScriptedServer, connections: KeptConnections
) -> None:
    server.replies = [reply(b"1"), reply(b"2")]
    await connections.send("POST", "jobs", b"{}", 5.0, {"Idempotency-Key": "night 3"})
    await connections.send("POST", "jobs", b"{}", 5.0, {})
    assert [b"Idempotency-Key: night 3\r\n" in request for request in server.requests] == [True, False]
    with pytest.raises(UnavailableError, match="line break"):
        await connections.send("POST", "jobs", b"{}", 5.0, {"Idempotency-Key": "night\r\nX: y"})

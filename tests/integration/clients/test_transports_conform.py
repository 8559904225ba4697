"""What every transport has to do, against the same server.

The server is a real one in this process, since the transports differ in how they use connections.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from eas.client.proxies import make_client
from eas.client.transports.direct import DirectTransport
from eas.client.transports.over_httpx import HttpxTransport
from eas.client.transports.protocol import Transport
from eas.contracts.errors import DigestMismatchError, UnavailableError
from tests.support.stream_server import serving

HEADERS = {"Authorization": "Bearer t"}
DATA = os.urandom(3 << 20)


@dataclass
class Request:
    """A request as the server read it."""

    line: bytes
    headers: dict[bytes, bytes]
    body: bytes


@dataclass
class Server:
    """Answers by path, and remembers what it was asked."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        while await self._answer(reader, writer):
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request, and tell whether the connection stays."""
        line, *fields = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        headers = {name.lower(): value for name, value in (field.split(b": ", 1) for field in fields)}
        path = line.split(b" ")[1].partition(b"?")[0].rpartition(b"/")[2]
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        self.requests.append(Request(line, headers, body))
        match path:
            case b"breaks":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
                return False
            case b"dies":
                return False
            case b"silent":
                await self.go_on.wait()
                return False
            case b"missing":
                writer.write(answer(b'{"slug": "not_found"}', b"404 Not Found"))
            case b"file":
                writer.write(answer(DATA, b"200 OK", b"EAS-Version-Id: 7\r\n"))
            case b"stream":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
                await self.go_on.wait()
                writer.write(b"4\r\nlast\r\n0\r\n\r\n")
            case _:
                writer.write(answer(b"[" + b"1, " * 50_000 + b"2]", b"200 OK", b"EAS-Preview-Form: plot\r\n"))
        return True


def answer(body: bytes, status: bytes, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, headers, len(body), body)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    async with serving(found.serve) as url:
        found.url = f"{url}/service"
        yield found
        found.go_on.set()


def make_transport(kind: str, url: str) -> Transport:
    return DirectTransport(url, HEADERS) if kind == "direct" else HttpxTransport(make_client(url, HEADERS))


@pytest.fixture(params=["direct", "over httpx"])
async def transport(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[Transport]:
    found = make_transport(request.param, server.url)
    yield found
    await found.close()


async def test_a_request_has_what_was_said_and_its_answer_is_whole(server: Server, transport: Transport) -> None:
    params = {"name": "a b&c", "accepted": True, "where": ["x > 1", "ü"]}
    found = await transport.send("PUT", "things", params=params, headers={"X-Own": "1"}, content=b"{}")
    (asked,) = server.requests
    query = "name=a+b%26c&accepted=true&where=x+%3E+1&where=%C3%BC"
    assert asked.line == f"PUT /service/things?{query} HTTP/1.1".encode()
    assert (asked.headers[b"authorization"], asked.headers[b"x-own"], asked.body) == (b"Bearer t", b"1", b"{}")
    assert (found.status, len(found.content), found.url) == (200, 150_003, f"{server.url}/things?{query}")
    assert found.headers["eas-preview-form"] == "plot"


@pytest.mark.parametrize(("method", "length"), [("GET", None), ("DELETE", None), ("POST", b"0"), ("PUT", b"0")])
async def test_a_request_without_a_body(
    server: Server, transport: Transport, method: str, length: bytes | None
) -> None:
    await transport.send(method, "things/a%2Fb é")
    (asked,) = server.requests
    assert asked.line == f"{method} /service/things/a%2Fb%20%C3%A9 HTTP/1.1".encode()
    assert asked.headers.get(b"content-length") == length


async def test_an_error_is_an_answer(server: Server, transport: Transport, tmp_path: Path) -> None:
    sent = await transport.send("GET", "missing")
    with (tmp_path / "back").open("wb") as file:
        fetched, _ = await transport.fetch("missing", file)
    async with transport.stream("missing") as response:
        streamed = await response.aread()
    assert (sent.status, fetched.status, response.status_code) == (404, 404, 404)
    assert sent.content == fetched.content == streamed == b'{"slug": "not_found"}'
    assert (tmp_path / "back").read_bytes() == b""


@pytest.mark.parametrize("path", ["breaks", "dies"])
async def test_an_answer_that_breaks_off_is_none(transport: Transport, tmp_path: Path, path: str) -> None:
    with pytest.raises(UnavailableError, match=f"service/{path}: "):
        await transport.send("POST", path, content=b"{}")
    with (tmp_path / "back").open("wb") as file, pytest.raises(UnavailableError, match=f"service/{path}: "):
        await transport.fetch(path, file, params={"accepted": True})
    with pytest.raises(UnavailableError, match=f"service/{path}: "):
        async with transport.stream(path) as response:
            await response.aread()


async def test_a_silent_service_is_left_in_time(transport: Transport) -> None:
    with pytest.raises(UnavailableError, match="Timeout"):
        await transport.send("GET", "silent", silence=0.05)
    with pytest.raises(UnavailableError, match="Timeout"):
        async with transport.stream("silent", silence=0.05):
            pass


async def test_a_closed_connection_is_not_used_again(server: Server, transport: Transport, tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(DATA)
    for _ in range(2):
        assert (await transport.send("POST", "things")).status == 200
        with path.open("rb") as file:
            assert (await transport.send_file("PATCH", "things", file, 0, len(DATA))).status == 200
        for connection in server.connections:
            connection.close()
        with suppress(OSError):
            await asyncio.gather(*(connection.wait_closed() for connection in server.connections))


async def test_a_file_is_sent_from_an_offset_on(server: Server, transport: Transport, tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        await transport.send_file("PATCH", "things", file, 1000, 2 << 20, {"X-Own": "1"}, params={"rerun": "true"})
    (asked,) = server.requests
    assert asked.line == b"PATCH /service/things?rerun=true HTTP/1.1"
    assert asked.headers[b"content-type"] == b"application/octet-stream"
    assert (asked.headers[b"authorization"], asked.headers[b"x-own"]) == (b"Bearer t", b"1")
    assert asked.body == DATA[1000 : 1000 + (2 << 20)]


async def test_a_file_that_became_shorter_is_told_of(transport: Transport, tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"short")
    with path.open("rb") as file, pytest.raises(DigestMismatchError, match="shorter"):
        await transport.send_file("PATCH", "things", file, 0, 1000)


async def test_a_file_is_fetched_with_its_digest(transport: Transport, server: Server, tmp_path: Path) -> None:
    with (tmp_path / "back").open("wb") as file:
        found, sha256 = await transport.fetch("file", file, params={"accepted": False})
    assert (found.status, found.content, sha256) == (200, b"", hashlib.sha256(DATA).hexdigest())
    assert found.headers["EAS-Version-Id"] == "7"
    assert (tmp_path / "back").read_bytes() == DATA
    assert server.requests[0].line == b"GET /service/file?accepted=false HTTP/1.1"
    assert server.requests[0].headers[b"accept-encoding"] == b"identity"


async def test_a_full_disk_is_not_the_services_fault(transport: Transport) -> None:
    with Path("/dev/full").open("wb", 0) as file, pytest.raises(OSError, match="No space left"):
        await transport.fetch("file", file)


async def test_a_stream_arrives_piece_by_piece(transport: Transport, server: Server) -> None:
    async with transport.stream("stream", params={"after": 3}, headers={"X-Own": "1"}) as response:
        pieces = response.aiter_bytes()
        assert await anext(pieces) == b"first"
        server.go_on.set()
        assert [piece async for piece in pieces] == [b"last"]
    assert server.requests[0].line == b"GET /service/stream?after=3 HTTP/1.1"
    assert server.requests[0].headers[b"x-own"] == b"1"


@pytest.mark.parametrize("kind", ["direct", "over httpx"])
async def test_nobody_listening_means_unavailable(kind: str, tmp_path: Path) -> None:
    transport = make_transport(kind, "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"^http://127\.0\.0\.1:9/things: "):
        await transport.send("POST", "things")
    with (tmp_path / "back").open("wb") as file, pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9/file"):
        await transport.fetch("file", file)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9/stream"):
        async with transport.stream("stream"):
            pass
    assert transport.url == "http://127.0.0.1:9/"
    await transport.close()


def test_trust_is_that_of_httpx_and_of_the_system() -> None:
    transport = DirectTransport("https://scheduler.example", HEADERS)
    trusted = transport._tls
    assert trusted is not None
    expected = httpx.create_ssl_context()
    assert trusted.verify_mode == expected.verify_mode
    assert trusted.check_hostname
    assert {*expected.get_ca_certs(binary_form=True)} <= {*trusted.get_ca_certs(binary_form=True)}

"""A server of object storage in a process of its own, and a door to it that can be made to fail."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from obstore.store import S3Store

from tests.support.patience import PATIENCE_S
from tests.support.private_server import free_port

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
_SERVER = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-servers") / "bin" / "moto_server"


@dataclass
class Bucket:
    """A bucket, and how to look into it past the product store."""

    endpoint: str
    name: str
    prefix: str = "eas/products"
    contents: S3Store = field(init=False)

    def __post_init__(self) -> None:
        self.contents = S3Store(
            self.name, prefix=self.prefix, config={"endpoint": self.endpoint}, client_options={"allow_http": True}
        )

    @property
    def url(self) -> str:
        return f"s3://{self.name}/{self.prefix}"

    def list(self, folder: str) -> dict[str, bytes]:
        """All objects of a folder."""
        paths = [entry["path"] for portion in self.contents.list(folder) for entry in portion]
        return {path: bytes(self.contents.get(path).bytes()) for path in paths}


def start_object_storage(log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server of object storage at a free port of the loopback. Returns it with its address."""
    if not _SERVER.exists():
        reason = f"{_SERVER} is not there; `make test` installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    port = free_port()
    with log.open("ab") as output:
        command = [str(_SERVER), "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(f"{url}/moto-api/")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return process, url
    raise AssertionError("the object storage is not ready")


def make_bucket(endpoint: str, name: str) -> Bucket:
    """Make an empty bucket."""
    scope = "Credential=somebody/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
    httpx.put(f"{endpoint}/{name}", headers=headers, timeout=PATIENCE_S).raise_for_status()
    return Bucket(endpoint, name)


@dataclass
class Door:
    """What stands between the product store and its object storage.

    `refuse` gets a request's method and path, and answers with a status and a code where the request is to fail;
    `hold` gets them when the object storage has done its work, before the product store is told.
    """

    url: str
    refuse: Callable[[str, str], tuple[int, str] | None] = field(default=lambda _method, _path: None)
    hold: Callable[[str, str], None] = field(default=lambda _method, _path: None)


@contextmanager
def open_door(endpoint: str) -> Iterator[Door]:
    """Put a door in front of an object storage."""
    host = endpoint.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, OSError):
                self.close_connection = True

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if failure := door.refuse(self.command, self.path):
                content = f"<Error><Code>{failure[1]}</Code><Message>no</Message></Error>".encode()
                self.answer(failure[0], {"Content-Length": str(len(content))}, content)
                return
            connection = http.client.HTTPConnection(host)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            connection.close()
            door.hold(self.command, self.path)
            self.answer(response.status, dict(response.getheaders()), content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815 - names of the standard library

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"connection", "transfer-encoding", "date", "server"}:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    door = Door(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

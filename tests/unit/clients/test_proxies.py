"""Which services are reached through the environment's proxy, and what an error says then."""

from __future__ import annotations

import socket

import pytest

from eas.client.log_service import LogClient
from eas.client.proxies import find_proxy
from eas.client.transports.choice import choose_transport
from eas.client.transports.direct import DirectTransport
from eas.client.transports.over_httpx import HttpxTransport
from eas.contracts.errors import InvalidInputError, UnavailableError

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
PROXY = "http://proxy.example:3128"
#: Nobody listens there.
DEAD = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.10",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "eas.localhost",
        "(the name of this machine)",
    ],
)
def test_this_machine_is_reached_directly(monkeypatch: pytest.MonkeyPatch, variable: str, host: str) -> None:
    monkeypatch.setenv(variable, PROXY)
    monkeypatch.setenv("no_proxy", "elsewhere.example")
    name = socket.gethostname() if host.startswith("(") else host
    assert find_proxy(f"http://{name}:8321/scheduler") is None


@pytest.mark.parametrize("host", ["scheduler.example", "198.51.100.7", "[2001:db8::7]", "localhost.example"])
def test_other_machines_are_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    found = find_proxy(f"http://{host}:8321/scheduler")
    assert found is not None
    assert found.url == PROXY


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "http://a.example/", None),
        ({"HTTP_PROXY": "http://one:1"}, "http://a.example/", "http://one:1"),
        ({"HTTP_PROXY": "http://one:1", "http_proxy": "http://two:2"}, "http://a.example/", "http://two:2"),
        ({"HTTP_PROXY": "http://one:1", "http_proxy": ""}, "http://a.example/", None),
        ({"http_proxy": "http://one:1"}, "https://a.example/", None),
        ({"HTTPS_PROXY": "http://one:1"}, "https://a.example/", "http://one:1"),
        ({"HTTPS_PROXY": "http://one:1"}, "http://a.example/", None),
        ({"ALL_PROXY": "http://one:1"}, "https://a.example/", "http://one:1"),
        ({"all_proxy": "http://one:1", "http_proxy": "http://two:2"}, "http://a.example/", "http://two:2"),
        ({"http_proxy": "proxy.example:3128"}, "http://a.example/", "http://proxy.example:3128"),
    ],
)
def test_the_variables_have_their_usual_order(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = find_proxy(url)
    assert (found.url if found else None) == expected


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_direct"),
    [
        ("*", "a.example", True),
        ("b.example, *", "a.example", True),
        ("a.example", "a.example", True),
        ("A.Example", "a.example", True),
        ("a.example.", "a.example", True),
        ("a.example", "deep.a.example", True),
        ("a.example", "nota.example", False),
        (".a.example", "deep.a.example", True),
        (".a.example", "a.example", True),
        ("*.a.example", "deep.a.example", True),
        ("b.example a.example", "a.example", True),
        ("a.example:8321", "a.example", True),
        ("a.example:80", "a.example", False),
        ("http://a.example", "a.example", True),
        ("https://a.example", "a.example", False),
        ("all://a.example", "a.example", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:8321", "10.1.2.3", True),
        ("10.1.2.3:80", "10.1.2.3", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("[2001:db8::1]", "[2001:db8::1]", True),
        ("[2001:db8::1]:8321", "[2001:db8::1]", True),
        ("[2001:db8::1]:80", "[2001:db8::1]", False),
        ("2001:db8::/32", "[2001:db8:1::5]", True),
        ("10.0.0.0/99", "10.1.2.3", False),
        (",, ,", "a.example", False),
        ("", "a.example", False),
    ],
)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_no_proxy_takes_hosts_out(
    monkeypatch: pytest.MonkeyPatch, variable: str, no_proxy: str, host: str, is_direct: bool
) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv(variable, no_proxy)
    assert (find_proxy(f"http://{host}:8321/x") is None) == is_direct


def test_fast_connections_are_only_for_what_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    assert isinstance(choose_transport("http://scheduler.example/", None), HttpxTransport)
    assert isinstance(choose_transport("http://127.0.0.1:8321/scheduler", None), DirectTransport)
    monkeypatch.setenv("no_proxy", "scheduler.example")
    assert isinstance(choose_transport("http://scheduler.example/", None), DirectTransport)


async def test_an_error_names_the_proxy_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:9")
    async with LogClient("http://logs.example/logs", None) as client:
        with pytest.raises(UnavailableError) as failure:
            await client.get_retention()
        with pytest.raises(UnavailableError) as other:
            await client.ingest_lines([b"{}"])
    for text in (str(failure.value), str(other.value)):
        assert "through the proxy http://127.0.0.1:9 " in text
        assert "HTTP_PROXY" in text
        assert "no_proxy=logs.example" in text
        assert "secret" not in text


async def test_without_a_proxy_an_error_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    async with LogClient(DEAD, None) as client:
        with pytest.raises(UnavailableError) as failure:
            await client.get_retention()
    assert "proxy" not in str(failure.value)


@pytest.mark.parametrize(
    ("value", "word"),
    [("socks5://127.0.0.1:1080", "socksio"), ("socks4://127.0.0.1:1080", "socks4"), ("http://proxy:port", "port")],
)
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, value: str, word: str) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(InvalidInputError, match=r"ALL_PROXY.*" + word):
        LogClient("http://logs.example/logs", None)
    LogClient("http://127.0.0.1:8321/logs", None)

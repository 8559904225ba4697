"""Which proxy of the environment leads to a service, and what an error says about the way.

The variables are those of curl and httpx: ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``, in lower or
upper case. This machine's own addresses are reached directly, whatever the variables say.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import httpx

from eas.contracts.errors import InvalidInputError, UnavailableError

_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
#: An entry of ``no_proxy``: scheme, name or address or network, port.
_ENTRY = re.compile(
    r"(?:(?P<scheme>[a-z]+)://)?(?:\[(?P<bracketed>[^\]]*)\]|(?P<name>[^:]*)|(?P<address>.*:.*:.*?))(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names.

    Parameters
    ----------
    url
        Where it is; with the user's password, if it needs one.
    source
        Which variable names it.
    """

    url: str = field(repr=False)
    source: str

    def __str__(self) -> str:
        """Name it, without a password."""
        shown = re.sub(r"//.*@", "//", self.url)
        return f"the proxy {shown} ({self.source})"


def find_proxy(url: httpx.URL | str) -> Proxy | None:
    """Find the proxy that leads to an URL; None if the URL is reached directly."""
    found = httpx.URL(url)
    proxies = getproxies()
    scheme = next((name for name in (found.scheme, "all") if proxies.get(name)), None)
    if scheme is None or found.scheme not in _PORTS or is_this_machine(found.host):
        return None
    port = found.port or _PORTS[found.scheme]
    if _is_excepted(found.scheme, found.host, port, proxies.get("no", "")):
        return None
    if not getproxies_environment() and proxy_bypass(found.host):  # the settings of a desktop
        return None
    address = proxies[scheme]
    return Proxy(address if "://" in address else f"http://{address}", _name_source(scheme))


def is_this_machine(host: str) -> bool:
    """Tell whether a name or an IP address certainly is this machine's. Names are not resolved."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost") or name == socket.gethostname().lower():
        return True
    address = _read_address(name)
    return address is not None and (address.is_loopback or address.is_unspecified or _is_own(address))


def make_client(
    url: str,
    headers: dict[str, str],
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    tls: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """Make the HTTP client of one service.

    Parameters
    ----------
    url
        Where the service is mounted.
    headers
        Sent with every request.
    transport
        In place of the network.
    tls
        The TLS settings of direct connections; httpx's own by default.

    Raises
    ------
    InvalidInputError
        The environment names a proxy that cannot be used.
    """
    base_url = url.rstrip("/") + "/"
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=60.0)
    proxy = find_proxy(base_url) if transport is None else None
    if proxy is None:
        # httpx looks for proxies in the environment by itself unless it is given a transport.
        transport = transport or httpx.AsyncHTTPTransport(limits=limits, verify=tls or True)
        return httpx.AsyncClient(base_url=base_url, headers=headers, transport=transport)
    try:
        return httpx.AsyncClient(base_url=base_url, headers=headers, proxy=proxy.url, limits=limits)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        message = f"{base_url} cannot be reached through {proxy}: {error}. {_advise(httpx.URL(base_url))}"
        raise InvalidInputError(message) from error


def describe_way(url: httpx.URL | str) -> str:
    """Say in an error's text which proxy leads to an URL; nothing if the URL is reached directly."""
    proxy = find_proxy(url)
    return "" if proxy is None else f" (asked through {proxy}. {_advise(httpx.URL(url))})"


def explain_failure(url: httpx.URL | str, error: Exception) -> UnavailableError:
    """Make the error of a request that got no answer."""
    return UnavailableError(f"{url}: {str(error) or type(error).__name__}{describe_way(url)}")


def _advise(url: httpx.URL) -> str:
    return f"With no_proxy={url.host} in the environment it is asked directly"


def _name_source(scheme: str) -> str:
    """Name the variable that a proxy comes from; lower case counts first."""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    return next((f"{name} in the environment" for name in names if os.environ.get(name)), "the system's settings")


def _read_address(text: str) -> _IpAddress | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_own(address: _IpAddress) -> bool:
    """Tell whether an address is one of this machine's interfaces': only those can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _is_excepted(scheme: str, host: str, port: int, no_proxy: str) -> bool:
    """Tell whether ``no_proxy`` has a host, as name, domain, address, network, with or without a port, or as ``*``."""
    entries = no_proxy.lower().replace(",", " ").split()
    return "*" in entries or any(_matches(entry, scheme, host.lower().rstrip("."), port) for entry in entries)


def _matches(entry: str, scheme: str, host: str, port: int) -> bool:
    parts = _ENTRY.fullmatch(entry)
    if parts is None or parts["scheme"] not in (None, "all", scheme) or parts["port"] not in (None, str(port)):
        return False
    name = parts["bracketed"] or parts["name"] or parts["address"] or ""
    address = _read_address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(name, strict=False)
        except ValueError:
            return False
    domain = name.lstrip("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))

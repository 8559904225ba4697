"""Which transport a client gets."""

from __future__ import annotations

import httpx

from eas.client.proxies import find_proxy, make_client
from eas.client.transports.direct import DirectTransport
from eas.client.transports.over_httpx import HttpxTransport
from eas.client.transports.protocol import Transport


def choose_transport(url: str, token: str | None, transport: httpx.AsyncBaseTransport | None = None) -> Transport:
    """Choose the way to a service: direct if that is possible, else over httpx.

    Parameters
    ----------
    url
        Where the service is mounted.
    token
        The bearer token; None for an open service.
    transport
        In place of the network.

    Raises
    ------
    InvalidInputError
        The environment names a proxy that cannot be used.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if transport is None and httpx.URL(url).scheme in ("http", "https") and find_proxy(url) is None:
        return DirectTransport(url, headers)
    return HttpxTransport(make_client(url, headers, transport))

"""How to reach a broker, and how patient to be with it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """Parameters of a connection.

    Parameters
    ----------
    url
        Such as ``amqp://user:password@host:5672/virtual_host``, or ``amqps://`` for TLS.
    timeout_s
        How long to wait for a connection, a channel, or an answer of the broker [s].
    confirm_timeout_s
        How long to wait for the confirm of a published message [s].
    heartbeat_s
        Interval of heartbeats; a connection that was silent for three of them is given up [s].
    first_pause_s, longest_pause_s
        The pauses between attempts to connect: each is twice the one before, up to the longest [s].
    """

    url: SecretStr
    timeout_s: float = 10.0
    confirm_timeout_s: float = 30.0
    heartbeat_s: int = 20
    first_pause_s: float = 0.2
    longest_pause_s: float = 15.0

"""How to reach a broker, and how patient to be with it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from eas.amqp.topology import QueueType, Topology

_SCHEMES = ("amqp://", "amqps://")


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


class BrokerChoice(BaseSettings):
    """The settings by which a service or worker may have a broker; their own settings inherit from these.

    The address holds a password, so what is wrong with settings is said without what they are.
    """

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    broker_url: SecretStr | None = Field(
        default=None,
        description="Address of RabbitMQ, amqp:// or amqps:// with user and password. Without it, only HTTP is used.",
    )
    queue_prefix: str = Field(
        default="eas",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Prefix of the names of all queues; must be equal for the whole suite.",
    )
    queue_type: QueueType = Field(
        default=QueueType.CLASSIC,
        description="Type of all queues, classic or quorum; must be equal for the whole suite.",
    )

    @field_validator("broker_url")
    @classmethod
    def _check_broker_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(_SCHEMES):
            raise ValueError("expected amqp://user:password@host:port/virtual_host, or amqps://")
        return url

    def choose_broker(self) -> BrokerSettings | None:
        """Tell how to reach the broker; None where there is none."""
        return None if self.broker_url is None else BrokerSettings(url=self.broker_url)

    def choose_topology(self) -> Topology:
        """Tell what queues are called, and what kind they are."""
        return Topology(self.queue_prefix, self.queue_type)

"""Names and arguments of queues, and addresses of brokers."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from eas.amqp.connection import BrokerConnection
from eas.amqp.settings import BrokerSettings
from eas.amqp.topology import QueueType, Topology
from eas.contracts.errors import InvalidInputError


def test_queues_are_named_by_prefix_and_task_type() -> None:
    assert Topology().task_queue("transit_search_tls") == "eas.tasks.transit_search_tls"
    assert Topology(prefix="eas2").queue("logs") == "eas2.logs"


def test_a_name_that_the_broker_would_not_take_is_refused() -> None:
    assert Topology().task_queue("x" * 245)
    with pytest.raises(InvalidInputError, match="255"):
        Topology().task_queue("x" * 246)


def test_dead_letters_of_a_queue_go_where_theirs_do_not() -> None:
    topology = Topology(queue_type=QueueType.QUORUM)
    assert topology.arguments("eas.logs") == {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": topology.dead_letter_exchange,
    }
    assert topology.arguments(topology.dead_letter_queue) == {"x-queue-type": "quorum"}


@pytest.mark.parametrize("url", ["http://h/", "amqp://", "amqp://somebody:geheim@host:notaport/", "geheim"])
async def test_a_bad_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="not of the form") as caught:
        BrokerConnection(BrokerSettings(url=SecretStr(url)), name="test")
    assert "geheim" not in str(caught.value)


def test_settings_do_not_show_the_password() -> None:
    assert "geheim" not in repr(BrokerSettings(url=SecretStr("amqp://somebody:geheim@host/")))

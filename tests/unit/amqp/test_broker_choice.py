"""The settings that every service and the worker have for a broker."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from eas.amqp.settings import BrokerChoice
from eas.amqp.topology import QueueType, Topology
from eas_logging.settings import LoggingSettings
from eas_product_store.settings import ProductStoreSettings
from eas_scheduler.settings import SchedulerSettings
from eas_worker.settings import WorkerSettings

URL = "amqp://user:s3cr3t@host:5672/suite"
PREFIXES = {
    SchedulerSettings: "EAS_SCHEDULER_",
    ProductStoreSettings: "EAS_PRODUCT_STORE_",
    LoggingSettings: "EAS_LOGGING_",
    WorkerSettings: "EAS_WORKER_",
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_WORKER_SCHEDULER_URL", "http://127.0.0.1:8321/scheduler")
    monkeypatch.setenv("EAS_WORKER_PRODUCT_STORE_URL", "http://127.0.0.1:8321/products")


@pytest.mark.parametrize("kind", PREFIXES)
def test_there_is_no_broker_unless_it_is_named(kind: type[BrokerChoice]) -> None:
    assert kind().choose_broker() is None


@pytest.mark.parametrize("kind", PREFIXES)
def test_broker_and_queues_are_named_by_the_environment(
    kind: type[BrokerChoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("BROKER_URL", URL), ("QUEUE_PREFIX", "mine"), ("QUEUE_TYPE", "quorum")):
        monkeypatch.setenv(PREFIXES[kind] + name, value)
    settings = kind()
    broker = settings.choose_broker()
    assert broker is not None
    assert broker.url.get_secret_value() == URL
    assert settings.choose_topology() == Topology("mine", QueueType.QUORUM)
    assert "s3cr3t" not in repr(settings)


def test_another_scheme_is_refused_without_showing_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAS_LOGGING_BROKER_URL", URL.replace("amqp", "http"))
    with pytest.raises(ValidationError, match="amqp://user:password@host") as caught:
        LoggingSettings()
    assert "s3cr3t" not in str(caught.value)

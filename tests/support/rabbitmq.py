"""RabbitMQ for tests."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.support.private_server import PASSWORD, USER, PrivateServer, free_port

_COOKIE = "EASTESTS"
_AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = 1


class RabbitmqServer(PrivateServer):
    """RabbitMQ in a temporary folder.

    Parameters
    ----------
    consumer_timeout
        After how many seconds RabbitMQ closes the channel of a consumer that has not acknowledged a message.
    settings
        Further lines of its ``rabbitmq.conf``, such as ``heartbeat=5``; ``__`` stands for a full stop in a name.
    """

    PACKAGE = "rabbitmq-server"
    ACCOUNT = "rabbitmq"

    def __init__(self, *, consumer_timeout: float = 1800, **settings: str | float) -> None:
        self._server = self._find_program("rabbitmq-server", "/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/lib/*/sbin")
        self._control = self._find_program("rabbitmqctl", "/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/lib/*/sbin")
        self._names = self._find_program("epmd", "/usr/bin")
        self._call = self._find_program("erl_call", "/usr/bin", "/usr/lib/erlang/bin")
        super().__init__()
        self._names_port = free_port()
        self._nodes_port = free_port()
        self._node = f"eas_{self.port}@localhost"
        self._settings: dict[str, str | float] = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "consumer_timeout": round(consumer_timeout * 1000),
            "load_definitions": str(self.folder / "definitions.json"),
            "disk_free_limit.absolute": "50MB",
            "log.console": "true",
            "log.console.level": "warning",
            "log.file": "false",
        }
        self._settings |= {name.replace("__", "."): value for name, value in settings.items()}
        self._vhosts = ["/"]

    @property
    def url(self) -> str:
        """The AMQP URL of the virtual host ``/``."""
        return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.port}/%2F"

    def make_vhost(self) -> str:
        """Make a virtual host. Returns its AMQP URL, which stays good after ``reset()``."""
        name = f"eas_{len(self._vhosts)}"
        self._vhosts.append(name)
        self._define()
        self.evaluate("ok = rabbit_definitions:maybe_load_definitions()")
        return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def reset(self) -> None:
        """Stop it, lose all that it knew, queues and messages, and start it again with the same, empty virtual hosts.

        Its process goes on, which spares some seconds.
        """
        # While the process `rabbit_boot` of the last start is there, and it outlives readiness, another does nothing.
        self.evaluate(
            "Boot = erlang:monitor(process, rabbit_boot), receive {'DOWN', Boot, _, _, _} -> ok end,"
            "ok = rabbit:stop(), ok = rabbit_mnesia:reset(), ok = rabbit:start()"
        )
        assert self._answers(), self.log()[-4000:]

    def control(self, *arguments: str) -> str:
        """Run ``rabbitmqctl``, which takes a second or two. Returns what it printed."""
        return self._run([self._control, "--quiet", "--node", self._node, *arguments])

    def evaluate(self, expressions: str) -> str:
        """Let the server evaluate Erlang expressions, which is quicker than ``rabbitmqctl``. Returns the last value."""
        node = ["-sname", self._node, "-c", _COOKIE, "-no_result_term", "-fetch_stdout", "-e"]
        return self._run([self._call, *node], f"{expressions}.\n")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _define(self) -> None:
        """Write down what RabbitMQ makes sure of before it opens its port."""
        permissions = {"user": USER, "configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": USER, "password": PASSWORD, "tags": "administrator"}],
            "vhosts": [{"name": name} for name in self._vhosts],
            "permissions": [{"vhost": name, **permissions} for name in self._vhosts],
        }
        self._write("definitions.json", json.dumps(definitions))

    def _prepare(self) -> None:
        self._write(".erlang.cookie", _COOKIE, secret=True)
        self._write("rabbitmq.conf", "".join(f"{name} = {value}\n" for name, value in self._settings.items()))
        self._define()
        self._write("advanced.config", "[].\n")
        self._write("environment", "")
        self._write("plugins", "[].\n")

    def _environment(self) -> dict[str, str]:
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        return super()._environment() | {
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names_port),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._nodes_port),
            "RABBITMQ_MNESIA_BASE": str(self._data),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "environment"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-start_epmd false +S 2:2 +A 4 {loopback}",
            "RABBITMQ_CTL_ERL_ARGS": f"+S 1:1 {loopback}",
            "RUNNING_UNDER_SYSTEMD": "true",  # the server takes the place of its shell script
        }

    def _launch(self) -> None:
        self._spawn([self._names, "-address", "127.0.0.1", "-port", str(self._names_port)])
        self._spawn([self._server])

    def _answers(self) -> bool:
        """Begin to shake hands; ports are opened last of all."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(_AMQP_HEADER)
                return connection.recv(1) == bytes([_METHOD_FRAME])
        except OSError:
            return False

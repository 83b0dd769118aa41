"""Postgres and Kafka for the tests as containers of the official images, set up as the embedded stack's are."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from testcontainers.core.container import DockerContainer

from devstack import kafka
from servers import NOT_DURABLE

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.2.2"
DEADLINE_S = 90

_POSTGRES_PORT = 5432
_KAFKA_PORT = 9094
_ADVERTISED = "/tmp/advertised"  # noqa: S108 - in the container


@contextmanager
def server_containers() -> Iterator[tuple[str, str]]:
    """Run both; lend the superuser's connection string and where Kafka's clients connect first."""
    password = secrets.token_hex(16)
    with _postgres(password) as database, _kafka() as broker:
        host = database.get_container_host_ip()
        url = f"postgresql://badges:{password}@{host}:{database.get_exposed_port(_POSTGRES_PORT)}/postgres"
        bootstrap = f"{broker.get_container_host_ip()}:{broker.get_exposed_port(_KAFKA_PORT)}"
        # The port is known only now that the container runs: it waits for a script that tells it.
        script = f"export KAFKA_ADVERTISED_LISTENERS=INTERNAL://localhost:9092,HOST://{bootstrap}\n"
        broker.copy_into_container(script.encode(), _ADVERTISED)
        asyncio.run(_until_both_answer(url, bootstrap, database, broker))
        yield url, bootstrap


def _postgres(password: str) -> DockerContainer:
    settings = {"max_connections": "200", **NOT_DURABLE}
    container = DockerContainer(POSTGRES_IMAGE).with_exposed_ports(_POSTGRES_PORT)
    container.with_envs(
        POSTGRES_USER="badges",
        POSTGRES_PASSWORD=password,
        POSTGRES_INITDB_ARGS="--encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8",
    )
    return container.with_command([word for name, value in settings.items() for word in ("-c", f"{name}={value}")])


def _kafka() -> DockerContainer:
    properties = {
        **kafka.server_properties(port=_KAFKA_PORT, controller_port=9093),
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": f"INTERNAL://localhost:9092,CONTROLLER://localhost:9093,HOST://0.0.0.0:{_KAFKA_PORT}",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,HOST:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
    }
    del properties["advertised.listeners"]
    container = DockerContainer(KAFKA_IMAGE).with_exposed_ports(_KAFKA_PORT)
    container.with_env("KAFKA_HEAP_OPTS", "-Xms128m -Xmx512m")
    container.with_envs(**{f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in properties.items()})
    start = f"until [ -s {_ADVERTISED} ]; do sleep 0.05; done; . {_ADVERTISED}; exec /etc/kafka/docker/run"
    return container.with_command(["bash", "-c", start])


async def _until_both_answer(url: str, bootstrap: str, database: DockerContainer, broker: DockerContainer) -> None:
    """Return when both let clients in.

    Raises:
        StackError: Kafka does not within the deadline, or its container has ended.
        TimeoutError: Postgres does not.
    """
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(
            _until_postgres_answers(url, database),
            kafka.wait_until_answers(bootstrap, deadline_s=DEADLINE_S, is_running=lambda: _runs(broker)),
        )


async def _until_postgres_answers(url: str, database: DockerContainer) -> None:
    while True:
        try:
            await (await asyncpg.connect(url, timeout=5)).close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if not _runs(database):
                raise
            await asyncio.sleep(0.1)
        else:
            return


def _runs(container: DockerContainer) -> bool:
    container.reload()
    return container.status == "running"

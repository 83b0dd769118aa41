"""Postgres and Kafka of the bench: the embedded stack's, durable as there, in a folder of their own."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from signal import SIGINT

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from rich.console import Console

from bench.processes import Command, Running
from devstack import kafka, kafka_jars, postgres
from devstack.kafka import KafkaServer
from devstack.layout import MARK, StackFolder
from devstack.ports import next_free
from devstack.postgres import PostgresServer
from devstack.running import running, stop
from devstack.seed import DemoTenant, seed_demo_tenant
from devstack.stack import uninterrupted
from messaging.settings import KafkaSettings
from messaging.topics import create_topics
from storage.migrate import upgrade

START_SECONDS = 60
PATIENCE_SECONDS = 20
TEMPLATE = "template_badges"
_FIRST_PORT, _PORTS = 10_000, 4_000
"""Below those that the stack, the tests and the system's clients use."""

SIZED = {"shared_buffers": "2GB", "max_wal_size": "8GB"}
"""As `docs/deploying.md` advises for a server of its own, for ours and for the peers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One database with the demo tenant, and one set of topics."""

    name: str
    database_url: str
    kafka: KafkaSettings
    tenant: DemoTenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Both servers, running."""

    folder: StackFolder
    postgres_server: PostgresServer
    kafka_server: KafkaServer
    postgres: Running
    kafka: Running
    tenant: DemoTenant
    ports: set[int]
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @asynccontextmanager
    async def site(self, *, partitions: int = 12) -> AsyncIterator[Site]:
        """Lend an empty database and empty topics; both are dropped in the end."""
        name = f"site_{next(self.numbers)}"
        settings = KafkaSettings(bootstrap=self.kafka_server.bootstrap, prefix=f"{name}_")
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        await create_topics(settings, partitions=partitions)
        try:
            yield Site(name=name, database_url=self.postgres_server.dsn(name), kafka=settings, tenant=self.tenant)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")
            await _delete_topics(settings)

    def free_port(self) -> int:
        """Return a port that nothing of the bench was given."""
        return _free_port(self.ports)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.postgres_server.dsn())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def open_servers(folder: StackFolder, console: Console) -> AsyncIterator[Servers]:
    """Start both on an empty folder; end everything that was started there, and delete it.

    Raises:
        StackError: they do not start, or another bench runs here.
    """
    folder.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder.locked():
        _end_all(folder)
        folder.clear()
        folder.create()
        try:
            yield await _start(folder, console)
        finally:
            with uninterrupted():
                _end_all(folder)
                for data in (folder.postgres, folder.kafka):
                    shutil.rmtree(data, ignore_errors=True)


def _end_all(folder: StackFolder) -> None:
    """Services first, so that nothing loses its server under its feet."""
    found = running(folder)
    servers = [one for one in found if _is_server(one.cmdline())]
    stop([one for one in found if one not in servers], patience_s=PATIENCE_SECONDS)
    stop(servers, patience_s=PATIENCE_SECONDS)


def _is_server(command: list[str]) -> bool:
    return "kafka.Kafka" in command or any(word.endswith("/postgres") for word in command[:1])


async def _start(folder: StackFolder, console: Console) -> Servers:
    jars = kafka_jars.install(console)
    ports: set[int] = set()
    postgres_server = PostgresServer(folder=folder.postgres, port=_free_port(ports), overrides=SIZED)
    kafka_server = KafkaServer(
        folder=folder.kafka, jars=jars, port=_free_port(ports), controller_port=_free_port(ports)
    )
    mark = {MARK: str(folder.path)}
    await asyncio.gather(asyncio.to_thread(postgres_server.prepare), asyncio.to_thread(kafka_server.prepare))
    postgres_runs = Running(
        Command(
            name="postgres",
            words=postgres_server.command(),
            environment=mark,
            folder=folder.postgres,
            stop_signal=SIGINT,
        ),
        folder.logs,
    )
    kafka_runs = Running(
        Command(
            name="kafka",
            words=kafka_server.command(),
            environment={**mark, **kafka_server.environment()},
            folder=folder.kafka,
        ),
        folder.logs,
    )
    await postgres.wait_until_answers(postgres_server, deadline_s=START_SECONDS, is_running=lambda: postgres_runs.runs)
    await kafka.wait_until_answers(kafka_server.bootstrap, deadline_s=START_SECONDS, is_running=lambda: kafka_runs.runs)
    await postgres.create_database(postgres_server, TEMPLATE)
    await asyncio.to_thread(upgrade, postgres_server.dsn(TEMPLATE))
    tenant = await seed_demo_tenant(postgres_server.dsn(TEMPLATE), None)
    return Servers(
        folder=folder,
        postgres_server=postgres_server,
        kafka_server=kafka_server,
        postgres=postgres_runs,
        kafka=kafka_runs,
        tenant=tenant,
        ports=ports,
    )


def _free_port(chosen: set[int]) -> int:
    return next_free(_FIRST_PORT + secrets.randbelow(_PORTS), chosen)


async def _delete_topics(settings: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**settings.connection())
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(settings.prefix)])
    finally:
        await admin.close()

"""What needs the machine for itself, or another broker, `make test` leaves out.

`make test ARGS="-n 0 -m whole_backlog"` runs it alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devstack.seed import DemoTenant, seed_demo_tenant
from messaging.settings import KafkaSettings
from messaging.topics import create_topics
from processes import Installation, installation
from servers import KafkaProcess, PostgresProcess
from storage.migrate import upgrade


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "whole_backlog: a million requests in the queue, run by itself")
    config.addinivalue_line("markers", "other_release: a broker that is not ours and has to be fetched, run by itself")


@pytest.fixture
async def own_servers(tmp_path: Path) -> AsyncIterator[tuple[PostgresProcess, KafkaProcess]]:
    """Servers for this test alone, with every write safe on disk."""
    postgres, kafka = PostgresProcess(tmp_path / "postgres"), KafkaProcess(tmp_path / "kafka")
    try:
        await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(kafka.start))
        yield postgres, kafka
    finally:
        postgres.stop()
        kafka.stop()


@pytest.fixture
async def own_demo(own_servers: tuple[PostgresProcess, KafkaProcess]) -> DemoTenant:
    """The demo tenant in the migrated database of those servers."""
    postgres, _ = own_servers
    await asyncio.to_thread(upgrade, postgres.database_url)
    return await seed_demo_tenant(postgres.database_url, None)


@pytest.fixture
async def own_badges(
    own_servers: tuple[PostgresProcess, KafkaProcess],
    own_demo: DemoTenant,  # noqa: ARG001 - only has to be there
    tmp_path: Path,
) -> AsyncIterator[Installation]:
    """An installation on those servers."""
    postgres, broker = own_servers
    async with installed(postgres.database_url, broker, tmp_path) as place:
        yield place


@pytest.fixture
async def own_kafka(tmp_path: Path) -> AsyncIterator[KafkaProcess]:
    """A broker for this test alone."""
    broker = KafkaProcess(tmp_path / "kafka")
    try:
        await asyncio.to_thread(broker.start)
        yield broker
    finally:
        broker.stop()


@pytest.fixture
async def own_kafka_badges(own_kafka: KafkaProcess, database_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation on that broker."""
    async with installed(database_url, own_kafka, tmp_path) as place:
        yield place


@asynccontextmanager
async def installed(database_url: str, broker: KafkaProcess, folder: Path) -> AsyncIterator[Installation]:
    """An installation on a broker that has no topics yet."""
    settings = KafkaSettings(bootstrap=broker.bootstrap)
    await create_topics(settings, partitions=4)
    async with installation(database_url, settings, folder) as place:
        yield place

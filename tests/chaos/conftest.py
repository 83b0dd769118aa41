"""What needs the machine for itself, or another broker, `make test` leaves out.

`make test ARGS="-n 0 -m whole_backlog"` runs it alone.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from messaging.settings import KafkaSettings
from messaging.topics import create_topics
from processes import Installation, installation
from servers import KafkaProcess, PostgresProcess


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
    settings = KafkaSettings(bootstrap=own_kafka.bootstrap)
    await create_topics(settings, partitions=4)
    async with installation(database_url, settings, tmp_path) as place:
        yield place

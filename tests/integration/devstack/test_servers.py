"""Postgres and Kafka: what is kept over kills and restarts, and what is refused."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from devstack.errors import BrokenFolderError
from servers import KafkaProcess, PostgresProcess

Server = TypeVar("Server", PostgresProcess, KafkaProcess)


def run(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresProcess]:
    yield from run(PostgresProcess(tmp_path / "postgres"))


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaProcess]:
    yield from run(KafkaProcess(tmp_path / "kafka"))


async def query(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def produce(bootstrap: str, topic: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, value)


async def consume(bootstrap: str, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([TopicPartition(topic, 0)])
        record = await asyncio.wait_for(consumer.getone(), 20)
    return bytes(record.value)


async def broker_setting(bootstrap: str, name: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")])
    finally:
        await admin.close()
    return str({entry[0]: entry[1] for entry in found[0].resources[0][4]}[name])


async def test_postgres_keeps_what_it_confirmed_when_it_is_killed(postgres: PostgresProcess) -> None:
    await query(postgres.database_url, "CREATE TABLE kept AS SELECT 7 AS number")
    await asyncio.to_thread(postgres.kill)
    await asyncio.to_thread(postgres.start)
    assert await query(postgres.database_url, "SELECT number FROM kept") == 7


async def test_postgres_is_set_up_as_promised(postgres: PostgresProcess) -> None:
    promised = {"synchronous_commit": "on", "fsync": "on", "max_connections": "200", "server_encoding": "UTF8"}
    found = {setting: await query(postgres.database_url, f"SHOW {setting}") for setting in promised}
    assert found == promised


async def test_postgres_refuses_a_stranger(postgres: PostgresProcess) -> None:
    url = postgres.database_url.replace("badges:", "badges:not")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(url, "SELECT 1")


async def test_kafka_keeps_what_it_confirmed_when_it_is_killed(kafka: KafkaProcess) -> None:
    await produce(kafka.bootstrap, "kept", b"seven")
    await asyncio.to_thread(kafka.kill)
    await asyncio.to_thread(kafka.start)
    assert await consume(kafka.bootstrap, "kept") == b"seven"


async def test_kafka_can_be_started_again_with_another_setting(kafka: KafkaProcess) -> None:
    await asyncio.to_thread(kafka.stop)
    await asyncio.to_thread(kafka.start, {"num.partitions": "3"})
    assert await broker_setting(kafka.bootstrap, "num.partitions") == "3"


def wrong_release(folder: Path) -> None:
    (folder / "postgres/data/PG_VERSION").write_text("9\n")


def no_release(folder: Path) -> None:
    (folder / "postgres/data/PG_VERSION").unlink()


def no_control_file(folder: Path) -> None:
    (folder / "postgres/data/global/pg_control").unlink()


@pytest.mark.parametrize("harm", [wrong_release, no_release, no_control_file])
def test_a_damaged_folder_of_postgres_is_named_with_the_way_out(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    server = PostgresProcess(tmp_path / "postgres").server
    server.prepare()
    harm(tmp_path)
    with pytest.raises(BrokenFolderError, match=r"postgres/data cannot be used: .*up --reset"):
        server.prepare()


@pytest.mark.parametrize("text", ["garbage", "version=0\n", "", "version=1\nnode.id=2\ncluster.id=x\ndirectory.id=y\n"])
def test_a_damaged_folder_of_kafka_is_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    server = KafkaProcess(tmp_path / "kafka").server
    server.prepare()
    (tmp_path / "kafka/data/meta.properties").write_text(text)
    with pytest.raises(BrokenFolderError, match=r"kafka/data cannot be used: .*up --reset"):
        server.prepare()


def test_what_an_interrupted_first_start_left_is_made_anew(tmp_path: Path) -> None:
    for half in ("postgres/data.new/base", "kafka/data.new/rubbish"):
        (tmp_path / half).mkdir(parents=True)
    for server in (PostgresProcess(tmp_path / "postgres"), KafkaProcess(tmp_path / "kafka")):
        server.start()
        server.stop()

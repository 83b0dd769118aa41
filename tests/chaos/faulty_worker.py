"""A worker that kills or stops itself at a chosen point; only tests start it.

The faults are listed in `FAULTS`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import uvicorn
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from award_worker.app import Adapters, create_worker
from award_worker.settings import WorkerSettings
from messaging.event_log import EventLog
from messaging.outbox_payload import OutboxMessage
from storage.ledger import PostgresLedger, PostgresTransaction
from telemetry.logs import configure_logs


def die() -> NoReturn:
    """Crash: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class DiesBeforeCommit(PostgresLedger):
    """Dies with everything of the first batch written, and nothing committed."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with super().transaction() as transaction:
            yield transaction
            die()


class DiesAfterCommit(PostgresLedger):
    """Dies with the first batch committed, nobody told, and no offset committed."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with super().transaction() as transaction:
            yield transaction
        die()


class NeverPublishes(EventLog):
    """Leaves the outbox as it is."""

    async def publish(self, messages: Iterable[OutboxMessage], *, upto: int) -> None:
        if list(messages):
            await asyncio.Event().wait()
        await super().publish([], upto=upto)


class DiesBeforeTransaction(EventLog):
    """Dies with rows claimed, and nothing sent."""

    async def publish(self, messages: Iterable[OutboxMessage], *, upto: int) -> None:
        held = list(messages)
        if held:
            die()
        await super().publish(held, upto=upto)


class DiesInsideTransaction(EventLog):
    """Dies with every message sent and acknowledged, and the transaction open."""

    async def _send(self, messages: Iterable[OutboxMessage]) -> None:
        held = list(messages)
        await super()._send(held)
        if held:
            die()


class DiesAfterTransaction(EventLog):
    """Dies with the transaction committed, and the outbox as it was."""

    async def publish(self, messages: Iterable[OutboxMessage], *, upto: int) -> None:
        held = list(messages)
        await super().publish(held, upto=upto)
        if held:
            die()


class StopsInsideTransaction(EventLog):
    """Is stopped, like a machine that hangs, with every message sent and the transaction open."""

    async def _send(self, messages: Iterable[OutboxMessage]) -> None:
        held = list(messages)
        await super()._send(held)
        if held:
            os.kill(os.getpid(), signal.SIGSTOP)


class StopsBeforeCommit(PostgresLedger):
    """Is stopped with the first batch written and not committed, its rows locked."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with super().transaction() as transaction:
            yield transaction
            os.kill(os.getpid(), signal.SIGSTOP)


def lose_a_read() -> None:
    """The second read of the consumer fails once it has taken records from several partitions."""
    getmany = AIOKafkaConsumer.getmany
    reads = 0

    async def failing(consumer: AIOKafkaConsumer, *partitions: TopicPartition, **options: Any) -> Any:
        nonlocal reads
        records = await getmany(consumer, *partitions, **options)
        reads += bool(records)
        if reads > 1 and len(records) > 1:
            raise CorruptRecordException("a batch of the third partition")
        return records

    AIOKafkaConsumer.getmany = failing


FAULTS: dict[str, dict[str, Any]] = {
    "before_commit": {"create_ledger": DiesBeforeCommit},
    "after_commit": {"create_ledger": DiesAfterCommit, "create_publisher": NeverPublishes},
    "before_transaction": {"create_publisher": DiesBeforeTransaction},
    "inside_transaction": {"create_publisher": DiesInsideTransaction},
    "after_transaction": {"create_publisher": DiesAfterTransaction},
    "lost_read": {},
    "stop_inside_transaction": {"create_publisher": StopsInsideTransaction},
    "stop_before_commit": {"create_ledger": StopsBeforeCommit},
}


def leave() -> NoReturn:
    os._exit(1)


async def serve(fault: str) -> None:
    settings = WorkerSettings()
    app = create_worker(settings, leave=leave, adapters=Adapters(**FAULTS[fault]))
    config = uvicorn.Config(app, host=settings.host, port=settings.port, log_config=None)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    if sys.argv[1] == "lost_read":
        lose_a_read()
    configure_logs()
    asyncio.run(serve(sys.argv[1]))

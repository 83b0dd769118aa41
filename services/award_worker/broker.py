"""The broker: FastStream's, made patient at the start, strict about failed reads, orderly at the end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import TopicPartition
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from messaging.settings import KafkaSettings

CLOSING_SECONDS = 8
"""After the batch: for the group, the relay's transaction, and the connections."""

log = structlog.get_logger()


class PatientBroker(KafkaBroker):
    """Begins to consume once what it needs is there; the probes answer meanwhile."""

    def __init__(
        self,
        *,
        needs: Callable[[], Awaitable[None]],
        settled: Callable[[], Awaitable[None]],
        leave: Callable[[], NoReturn],
        drain_seconds: float,
        **options: Any,  # noqa: ANN401 - FastStream's own options
    ) -> None:
        """`settled` returns when the offsets of what was done are committed."""
        super().__init__(graceful_timeout=drain_seconds, **options)
        self._needs = needs
        self._settled = settled
        self._leave = leave
        self._drain_seconds = drain_seconds

    async def start(self) -> None:
        """Wait, then start. Half started, the process would look alive and do nothing: then it ends."""
        try:
            await self._needs()
            await super().start()
        except Exception:
            log.exception("worker.did_not_start")
            self._leave()
        for subscriber in self.subscribers:
            self._watch(getattr(subscriber, "consumer", None))
        log.info("worker.consumes")

    def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """End the process when a read fails, for FastStream would go on with the next one; commit before the end.

        What aiokafka had taken from other partitions before it failed would be lost: it would pass
        for done with the next commit. A new process begins again at what was committed.
        """
        getmany = consumer.getmany

        async def watched(*partitions: TopicPartition, **options: object) -> object:
            try:
                return await getmany(*partitions, **options)
            except ConsumerStoppedError:
                raise
            except Exception:
                log.exception("read.failed")
                self._leave()

        consumer.getmany = watched
        stop = consumer.stop

        async def settle_and_stop() -> None:
            await self._settled()
            await stop()

        consumer.stop = settle_and_stop

    async def stop(self, *error: Any) -> None:  # noqa: ANN401 - FastStream's own signature
        """Finish the batch under way, then leave the group, named or not. Who cannot is ended: it comes again."""
        asyncio.get_running_loop().call_later(self._drain_seconds + CLOSING_SECONDS, self._leave)
        for subscriber in self.subscribers:
            consumer = getattr(subscriber, "consumer", None)
            if consumer is not None:
                # aiokafka does not have a named member leave; who ends in an orderly way does not come back at once.
                consumer._coordinator._group_instance_id = None  # noqa: SLF001 - no public way
        await super().stop(*error)


def broker_security(kafka: KafkaSettings) -> BaseSecurity | None:
    """The same settings as `KafkaSettings.connection`, in FastStream's terms."""
    connection = kafka.connection()
    context = connection["ssl_context"]
    uses_tls = context is not None
    if "sasl_mechanism" not in connection:
        return BaseSecurity(ssl_context=context, use_ssl=uses_tls) if uses_tls else None
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return kinds[kafka.sasl_mechanism](
        username=str(connection["sasl_plain_username"]),
        password=str(connection["sasl_plain_password"]),
        ssl_context=context,
        use_ssl=uses_tls,
    )

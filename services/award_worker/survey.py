"""What is looked up when somebody asks how the worker is: the checks of `/readyz`, its pool, the lag of the workers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from award_worker.metrics import WorkerMetrics
from messaging.lag import read_lag
from messaging.topics import Topics
from storage.database import Database

LOOK_SECONDS = 2

Check = Callable[[], Awaitable[bool]]


class Survey:
    """Looks anew each time it is asked; each look ends within 2 s. Costs nothing while nobody asks."""

    def __init__(
        self,
        *,
        checks: Mapping[str, Check],
        database: Database,
        producer: AIOKafkaProducer,
        topics: Topics,
        metrics: WorkerMetrics,
    ) -> None:
        """`producer` lends its connection to Kafka; it may not have started yet."""
        self._checks = checks
        self._database = database
        self._producer = producer
        self._topics = topics
        self._metrics = metrics

    async def passed(self) -> Mapping[str, bool]:
        """Return which checks pass."""
        passed = await asyncio.gather(*(_passes(check) for check in self._checks.values()))
        return dict(zip(self._checks, passed, strict=True))

    async def exposition(self) -> bytes:
        """Look at everything, and return the worker's numbers as Prometheus reads them."""
        database = self._database
        self._metrics.note_pool(connections=database.most_connections, in_use=database.connections_in_use)
        passed, _ = await asyncio.gather(self.passed(), self._look_at_lag())
        self._metrics.note_checks(passed)
        return self._metrics.exposition()

    async def _look_at_lag(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                lags = await read_lag(self._producer.client, self._topics)
        except (KafkaError, TimeoutError):
            lags = ()  # an old lag would look like one that does not grow
        self._metrics.note_lag(lags)


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await check()
    except Exception:  # noqa: BLE001 - whatever it is, the check has not passed
        return False

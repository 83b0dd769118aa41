"""An upstream service that publishes straight on Kafka, and gives no record up before it is acknowledged."""

import asyncio
from collections.abc import Sequence
from itertools import count

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chaos.suite.asked import Pairs, Record, bad_record, good_record
from chaos.suite.ledger import Acknowledged, Ledger, Pair, fingerprint
from chaos.suite.pacing import paced
from messaging.clients import create_producer, stop_producer
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from poison import Poison

MOST_UNDER_WAY = 300
RETRY_SECONDS = 0.2


class KafkaLoad:
    """Publishes at a steady rate until it is told to end."""

    def __init__(
        self, *, kafka: KafkaSettings, tenant_id: str, pairs: Pairs, ledger: Ledger, bad: Sequence[Poison]
    ) -> None:
        """Must be called in the running loop."""
        self._producer: AIOKafkaProducer = create_producer(kafka, linger_ms=5)
        self._topic = topics_of(kafka).award_requests
        self._tenant_id = tenant_id
        self._pairs = pairs
        self._ledger = ledger
        self._bad = bad
        self._turns = count()
        self._last: Record | None = None

    async def start(self) -> None:
        """Connect."""
        await self._producer.start()

    async def run(self, rate: float, ended: asyncio.Event) -> None:
        """Publish so many records a second until `ended`; return when all are acknowledged."""
        await paced(self._publish_one, rate=rate, most_under_way=MOST_UNDER_WAY, ended=ended)

    async def ask(self, pair: Pair) -> None:
        """Publish a valid request for the pair."""
        await self._publish(good_record(self._tenant_id, pair, self._pairs.metadata(), self._pairs.chance))

    async def stop(self) -> None:
        """Close the connections."""
        await stop_producer(self._producer)

    async def _publish_one(self) -> None:
        """One of: a new request (3 in 4), another one for a pair of before, the same record again, a bad one."""
        kind = self._pairs.chance.random()
        if kind < 0.75:
            await self.ask(self._pairs.new())
        elif kind < 0.90:
            await self.ask(self._pairs.repeated())
        elif kind < 0.95 and self._last is not None:
            await self._publish(self._last)
        else:
            record = bad_record(self._bad[next(self._turns) % len(self._bad)])
            assert record.reason is not None
            self._ledger.bad[record.mark] = record.reason
            await self._publish(record)

    async def _publish(self, record: Record) -> None:
        if record.reason is None:
            self._last = record
        while True:
            try:
                place = await self._producer.send_and_wait(
                    self._topic, record.value, key=record.key, headers=list(record.headers)
                )
            except KafkaError:
                # It may be in the log all the same: then it is there twice, as with any such producer.
                self._ledger.counts["records sent again"] += 1
                await asyncio.sleep(RETRY_SECONDS)
            else:
                break
        self._ledger.counts["bad records" if record.reason else "good records"] += 1
        self._ledger.acknowledged[place.partition, place.offset] = Acknowledged(
            record.mark, fingerprint(record.key, record.value, record.headers)
        )

"""How long it takes, once a fault is over, until everything is served again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from badges_client import AsyncBadgesClient
from badges_client.errors import BadgesError
from badges_client.retries import Retries
from chaos.suite.faults import Fault
from chaos.suite.http_load import BalancedTransport, HttpLoad
from chaos.suite.kafka_load import KafkaLoad
from chaos.suite.ledger import Pair
from chaos.suite.place import PARTITIONS
from messaging.clients import create_reader
from messaging.outbox_payload import hash_of_key
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

AWARD_SECONDS = 1.0
PAUSE_SECONDS = 0.2
GIVE_UP_SECONDS = 90
CODE = "first_steps"


@dataclass(slots=True, kw_only=True)
class Recovery:
    """Seconds from the end of a fault; None where it was not seen within 90 s.

    `award`: until one award in every partition, over both gateways, was answered 200 within a second, all in one go.
    `event`: until the event of a request published then was seen, in every partition. `is_alone`: no other fault
    was under way or began before.
    """

    fault: Fault
    award: float | None = None
    event: float | None = None
    is_alone: bool = True


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """Somebody waits for all to be served, all of them asked after `since` (the loop's clock)."""

    since: float
    served: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Tail:
    """Reads `badge_awarded` as it grows, as a read_committed consumer; knows whom somebody waits for."""

    kafka: KafkaSettings
    events: int = 0
    _awaited: dict[bytes, asyncio.Future[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Read until cancelled."""
        topic = topics_of(self.kafka).badge_awarded
        consumer: AIOKafkaConsumer = create_reader(self.kafka, fetch_max_wait_ms=50)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
            while True:
                try:
                    fetched = await consumer.getmany(timeout_ms=200)
                except KafkaError:
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                for record in (record for records in fetched.values() for record in records):
                    self.events += 1
                    if (awaited := self._awaited.pop(record.key, None)) is not None and not awaited.done():
                        awaited.set_result(None)
        finally:
            await consumer.stop()

    def expect(self, key: bytes) -> asyncio.Future[None]:
        """Done when an event with the key is seen."""
        future = self._awaited[key] = asyncio.get_running_loop().create_future()
        return future


class Prober:
    """Measures recoveries. Its awards are load like all others: they are in the ledger."""

    def __init__(
        self, *, urls: Sequence[str], key: str, tenant_id: str, http: HttpLoad, kafka: KafkaLoad, tail: Tail
    ) -> None:
        once = Retries(attempts=1, deadline=AWARD_SECONDS)
        self._clients = [
            AsyncBadgesClient(
                url, key, timeout=AWARD_SECONDS, retries=once, transport=BalancedTransport([url], http.note)
            )
            for url in urls
        ]
        self._tenant_id = tenant_id
        self._kafka = kafka
        self._tail = tail
        self._numbers = count()
        self._waiting: list[_Waiting] = []

    async def run(self) -> None:
        """Award in every partition, again and again while somebody waits for it; until cancelled.

        One for all faults: many at once would be a load of their own, and put off what they wait for.
        """
        while True:
            began = asyncio.get_running_loop().time()
            if self._waiting and await self._all_are_awarded():
                for waiting in [waiting for waiting in self._waiting if waiting.since <= began]:
                    self._waiting.remove(waiting)
                    waiting.served.set()
            await asyncio.sleep(PAUSE_SECONDS)

    async def measure(self, recovery: Recovery) -> None:
        """Fill the recovery in: the fault is over now."""
        over = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._until_awarded(recovery, over))
            group.create_task(self._until_told(recovery, over))

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.aclose()

    async def _until_awarded(self, recovery: Recovery, over: float) -> None:
        waiting = _Waiting(since=over)
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await waiting.served.wait()
        except TimeoutError:
            self._waiting.remove(waiting)
        else:
            recovery.award = round(asyncio.get_running_loop().time() - over, 2)

    async def _all_are_awarded(self) -> bool:
        turn = next(self._numbers)
        pairs = self._one_in_each_partition()
        return all(
            await asyncio.gather(*(self._is_awarded(pair, turn + number) for number, pair in enumerate(pairs.values())))
        )

    async def _is_awarded(self, pair: Pair, turn: int) -> bool:
        try:
            async with asyncio.timeout(AWARD_SECONDS):
                await self._clients[turn % len(self._clients)].award(*pair)
        except (BadgesError, TimeoutError):
            return False
        return True

    async def _until_told(self, recovery: Recovery, over: float) -> None:
        pairs = self._one_in_each_partition()
        seen = [self._tail.expect(self._key(participant)) for participant, _ in pairs.values()]
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await asyncio.gather(*(self._kafka.ask(pair) for pair in pairs.values()))
                await asyncio.gather(*seen)
        except TimeoutError:
            return
        recovery.event = round(asyncio.get_running_loop().time() - over, 2)

    def _one_in_each_partition(self) -> Mapping[int, Pair]:
        found: dict[int, Pair] = {}
        while len(found) < PARTITIONS:
            participant = f"probe {next(self._numbers)}"
            found.setdefault(hash_of_key(self._key(participant)) % PARTITIONS, (participant, CODE))
        return found

    def _key(self, participant: str) -> bytes:
        return f"{self._tenant_id}:{participant}".encode()

"""How long it takes from publishing a request until its event is seen."""

import asyncio
from datetime import UTC, datetime
from statistics import quantiles
from time import perf_counter

from aiokafka import AIOKafkaConsumer

from bench.errors import BenchError
from bench.installation import BADGE_CODE, Installation
from bench.participants import newcomer
from bench.partitions import partitions_of
from bench.setting import Figures, Setting
from domain.awards import AwardRequest
from messaging.award_requested import encode_request
from messaging.clients import create_producer, create_reader, stop_producer

WARM_UP_SECONDS = 2
SPARE_SECONDS = 30


async def event_latency(setting: Setting) -> Figures:
    """Publish at an even pace; take the time from each publishing call until a read_committed reader has the event."""
    rate, seconds = setting.effort.latency_rate, setting.effort.latency_seconds + WARM_UP_SECONDS
    async with setting.installation() as place:
        await place.worker().ready()
        reader = await _open_reader(place)
        published: dict[str, float] = {}
        try:
            receiving = asyncio.create_task(_receive(reader, rate * seconds))
            async with asyncio.timeout(seconds + SPARE_SECONDS):
                await _publish(place, published, rate=rate, requests=rate * seconds)
                received = await receiving
        except TimeoutError as error:
            raise BenchError(f"not every event came within {seconds + SPARE_SECONDS} s") from error
        finally:
            receiving.cancel()
            await reader.stop()
    settled = [newcomer(number) for number in range(rate * WARM_UP_SECONDS, rate * seconds)]
    percentiles = quantiles(((received[one] - published[one]) * 1000 for one in settled), n=100)
    return {"event_latency_p50_ms": percentiles[49], "event_latency_p99_ms": percentiles[98]}


async def _publish(place: Installation, published: dict[str, float], *, rate: int, requests: int) -> None:
    producer = create_producer(place.kafka, linger_ms=0)
    await producer.start()
    try:
        began = perf_counter()
        for number in range(requests):
            # Also when it is late: the reader needs its turn.
            await asyncio.sleep(max(0, began + number / rate - perf_counter()))
            participant_id = newcomer(number)
            key, value, headers = encode_request(_request(place, participant_id))
            published[participant_id] = perf_counter()
            await producer.send(place.topics.award_requests, value, key=key, headers=headers)
        await producer.flush()
    finally:
        await stop_producer(producer)


def _request(place: Installation, participant_id: str) -> AwardRequest:
    return AwardRequest(
        tenant_id=place.tenant_id,
        participant_id=participant_id,
        badge_code=BADGE_CODE,
        metadata=None,
        earned_at=datetime.now(UTC),
        request_id=participant_id,
        source="/bench",
    )


async def _open_reader(place: Installation) -> AIOKafkaConsumer:
    reader = create_reader(place.kafka)
    await reader.start()
    partitions = await partitions_of(reader, place.topics.badge_awarded)
    reader.assign(partitions)
    await reader.seek_to_beginning(*partitions)
    return reader


async def _receive(reader: AIOKafkaConsumer, events: int) -> dict[str, float]:
    """Return when each participant's event came."""
    received: dict[str, float] = {}
    while len(received) < events:
        for records in (await reader.getmany(timeout_ms=1000)).values():
            now = perf_counter()
            received.update((dict(record.headers)["ce_subject"].decode(), now) for record in records)
    return received

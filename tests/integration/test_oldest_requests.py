"""The age of what waits, read from the real Kafka."""

from dataclasses import replace

from builders import award_request, publish
from messaging.group_offsets import open_client
from messaging.lag import PartitionLag, read_lag
from messaging.oldest_requests import oldest_timestamps
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from trimming import delete_records


async def test_partition_that_cannot_be_read_hides_no_other(kafka: KafkaSettings) -> None:
    await publish(kafka, *(award_request(participant_id=f"u{n}") for n in range(3)), partition=1)
    async with open_client(kafka) as client:
        lags = await read_lag(client, topics_of(kafka))
    nowhere = PartitionLag(partition=99, committed=None, following=0, readable=5, end=5)
    found = await oldest_timestamps(kafka, [*lags, nowhere])
    assert set(found) == {1, 99}
    assert (found[1] or 0) > 1_700_000_000_000
    assert found[99] is None


async def test_nothing_waits_where_nothing_is(kafka: KafkaSettings) -> None:
    async with open_client(kafka) as client:
        lags = await read_lag(client, topics_of(kafka))
    assert [(lag.committed, lag.following, lag.waiting, lag.held) for lag in lags] == [(None, 0, 0, 0)] * 4
    assert await oldest_timestamps(kafka, lags) == {}


async def test_first_request_that_waits_is_the_oldest(kafka: KafkaSettings) -> None:
    await publish(kafka, *(award_request(participant_id=f"u{n}") for n in range(3)), partition=1)
    async with open_client(kafka) as client:
        lags = await read_lag(client, topics_of(kafka))
    all_of_it = await oldest_timestamps(kafka, lags)
    later = await oldest_timestamps(kafka, [replace(lag, following=2) for lag in lags if lag.waiting])
    assert (later[1] or 0) >= (all_of_it[1] or 0) > 0


async def test_request_that_was_deleted_meanwhile_has_no_time_and_hides_no_other(kafka: KafkaSettings) -> None:
    for partition in (1, 2):
        await publish(kafka, *(award_request(participant_id=f"u{n}") for n in range(3)), partition=partition)
    async with open_client(kafka) as client:
        lags = await read_lag(client, topics_of(kafka))
    await delete_records(kafka, topics_of(kafka).award_requests, before={1: 2})
    found = await oldest_timestamps(kafka, lags)
    assert (set(found), found[1]) == ({1, 2}, None)
    assert (found[2] or 0) > 1_700_000_000_000

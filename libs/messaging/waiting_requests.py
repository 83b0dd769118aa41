"""Whose requests wait: looked for among those that no worker has done yet."""

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import LeaderNotAvailableError, NoError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import TopicPartition

from messaging.tolerant_records import TolerantRecords

FETCH_BYTES = 1024 * 1024
MOST_BYTES = 8 * FETCH_BYTES
FETCH_MS = 500

_COMMITTED = 1


async def count_of_key(
    client: AIOKafkaClient, topic: str, partition: int, *, first: int, end: int, key: bytes
) -> int | None:
    """Count the records with this key from offset `first` up to `end`; None where there are more than 8 MiB to read.

    Raises:
        KafkaError: no answer, or the records are no longer there.
    """
    place, found, read = TopicPartition(topic, partition), 0, 0
    while first < end:
        content = await _fetch(client, place, first)
        read += len(content)
        following, met = _count(content, first=first, end=end, key=key)
        if following == first or read > MOST_BYTES:
            return None
        first, found = following, found + met
    return found


async def _fetch(client: AIOKafkaClient, place: TopicPartition, offset: int) -> bytes:
    leader = client.cluster.leader_for_partition(place)
    if leader is None or leader < 0:
        raise LeaderNotAvailableError(f"{place.topic}/{place.partition} has no leader")
    wanted = [(place.topic, [(place.partition, offset, FETCH_BYTES)])]
    answer = await client.send(leader, FetchRequest(FETCH_MS, 1, FETCH_BYTES, _COMMITTED, wanted))
    _topic, ((_partition, code, *_rest, content),) = answer.topics[0]
    error = for_code(code)
    if error is not NoError:
        raise error(error.__name__)
    return bytes(content or b"")


def _count(content: bytes, *, first: int, end: int, key: bytes) -> tuple[int, int]:
    """Return where to go on, and how many records before that have the key. A batch may begin before `first`."""
    records, following, met = TolerantRecords(content), first, 0
    while records.has_next():
        batch = records.next_batch()
        if not batch.is_control_batch:
            met += sum(first <= record.offset < end and record.key == key for record in batch)
        following = max(following, batch.next_offset)
    return following, met

"""Where a producer of ours puts a record."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from messaging.clients import place_key

PARTITIONS = list(range(12))


@given(st.binary(max_size=300), st.integers(1, len(PARTITIONS)))
def test_key_is_placed_where_other_clients_place_it(key: bytes, count: int) -> None:
    partitions = PARTITIONS[:count]
    assert place_key(key, partitions, []) == DefaultPartitioner()(key, partitions, [])


def test_record_without_a_key_goes_to_a_partition_that_has_a_leader() -> None:
    assert place_key(None, PARTITIONS, [7]) == 7

"""The outbox payload: what is packed comes out again, byte for byte."""

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from messaging.outbox_payload import OutboxMessage, hash_of_key, pack_message, unpack_messages

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
contents = st.none() | st.binary(max_size=100)
messages = st.builds(
    OutboxMessage,
    topic=names,
    partition_hash=st.integers(0, 2**31 - 1),
    key=contents,
    value=contents,
    headers=st.lists(st.tuples(names, contents), max_size=4).map(tuple),
)


@given(st.lists(messages, max_size=5))
def test_messages_joined_come_out_as_they_went_in(batch: list[OutboxMessage]) -> None:
    assert list(unpack_messages(b"".join(map(pack_message, batch)))) == batch


def test_null_and_empty_are_not_the_same() -> None:
    message = OutboxMessage(
        topic="t", partition_hash=0, key=None, value=b"", headers=(("a", None), ("a", b""), ("", b"x"))
    )
    assert list(unpack_messages(pack_message(message))) == [message]


def test_keys_are_placed_as_by_kafkas_own_partitioner() -> None:
    """Values of `Utils.toPositive(Utils.murmur2(key))` of Apache Kafka's own test."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert {key: hash_of_key(key) for key in known} == {key: value & 0x7FFFFFFF for key, value in known.items()}


@given(st.binary(max_size=100))
def test_keys_are_placed_as_by_aiokafka(key: bytes) -> None:
    assert hash_of_key(key) == murmur2(key) & 0x7FFFFFFF


def test_every_key_has_a_place() -> None:
    assert 0 <= hash_of_key(b"") < 2**31

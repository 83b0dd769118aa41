"""The messages of one worker batch as one block of bytes.

Length-prefixed and ready to send: the relay parses no JSON and hashes no key. Numbers are unsigned,
big-endian, 32 bits; a null key, value or header value has the length 0xFFFFFFFF.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiokafka.partitioner import murmur2

_NULL = 0xFFFFFFFF
_UINT = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One message for one topic. `partition_hash` modulo the partition count is its partition."""

    topic: str
    partition_hash: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def hash_of_key(key: bytes) -> int:
    """The non-negative hash by which Kafka's own default partitioner places a key."""
    return int(murmur2(key)) & 0x7FFFFFFF


def pack_message(message: OutboxMessage) -> bytes:
    """Encode one message. Packed messages may be joined into a payload by concatenation."""
    parts = [_field(message.topic.encode()), _UINT.pack(message.partition_hash)]
    parts += [_field(message.key), _field(message.value), _UINT.pack(len(message.headers))]
    for name, value in message.headers:
        parts += [_field(name.encode()), _field(value)]
    return b"".join(parts)


def unpack_messages(payload: bytes) -> Iterator[OutboxMessage]:
    """Decode every message of a payload, in order."""
    position = 0

    def number() -> int:
        nonlocal position
        (value,) = _UINT.unpack_from(payload, position)
        position += _UINT.size
        return int(value)

    def field() -> bytes | None:
        nonlocal position
        length = number()
        if length == _NULL:
            return None
        position += length
        return payload[position - length : position]

    def text() -> str:
        return (field() or b"").decode()

    while position < len(payload):
        yield OutboxMessage(
            topic=text(),
            partition_hash=number(),
            key=field(),
            value=field(),
            headers=tuple((text(), field()) for _ in range(number())),
        )


def _field(content: bytes | None) -> bytes:
    if content is None:
        return _UINT.pack(_NULL)
    return _UINT.pack(len(content)) + content

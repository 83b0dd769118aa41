"""The messages of one worker batch as one block of bytes.

Ready to send: the relay parses no JSON and hashes no key. Each message is its length (unsigned, big-endian,
32 bits) and then, in MessagePack, the array of its fields.
"""

import struct
from collections.abc import Iterator, Sequence

import msgspec
from murmurhash2 import murmurhash2

_LENGTH = struct.Struct(">I")
_KAFKA_SEED = 0x9747B28C


class OutboxMessage(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One message for one topic. `partition_hash` modulo the partition count is its partition."""

    topic: str
    partition_hash: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def with_headers(self, headers: Sequence[tuple[str, bytes | None]]) -> "OutboxMessage":
        """The same message with other headers."""
        return msgspec.structs.replace(self, headers=tuple(headers))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(OutboxMessage)


def hash_of_key(key: bytes) -> int:
    """The non-negative hash by which Kafka's own default partitioner places a key."""
    return murmurhash2(key, _KAFKA_SEED) & 0x7FFFFFFF


def pack_message(message: OutboxMessage) -> bytes:
    """Encode one message. Packed messages may be joined into a payload by concatenation."""
    packed = _encoder.encode(message)
    return _LENGTH.pack(len(packed)) + packed


def unpack_messages(payload: bytes) -> Iterator[OutboxMessage]:
    """Decode every message of a payload, in order."""
    view = memoryview(payload)
    position = 0
    while position < len(view):
        (length,) = _LENGTH.unpack_from(view, position)
        position += _LENGTH.size
        yield _decoder.decode(view[position : position + length])
        position += length

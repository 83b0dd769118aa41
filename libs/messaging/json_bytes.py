"""JSON of requests and events, from bytes and to bytes, by msgspec: ten times as fast as the standard library.

What is taken, and what is refused for which reason, is decided by `domain.json_text`; what msgspec takes means the same
there.
"""

import msgspec

from domain.json_text import compact_json, parse_json


def read_json(raw: bytes) -> object:
    """As `domain.json_text.parse_json`, with its errors."""
    try:
        value: object = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return parse_json(raw)
    return value


def write_json(value: object) -> bytes:
    """As `domain.json_text.compact_json`, in UTF-8. Numbers have to be finite.

    An instant in UTC becomes the text that `domain.times.format_instant` makes of it.
    """
    try:
        return msgspec.json.encode(value)
    except OverflowError:  # an integer of more than 64 bits
        return compact_json(value).encode()

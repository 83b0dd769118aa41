"""JSON by msgspec: what it takes means the same to the standard library, and nothing more is taken."""

import json
import math
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import DomainError
from domain.json_text import compact_json, parse_json
from domain.times import format_instant
from messaging.json_bytes import read_json, write_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
ALMOST = st.text('{}[]",:0123456789.-+eE \\ud8tfnNIa\0\x1f', max_size=14).map(str.encode)


def outcome(read: object, raw: bytes) -> object:
    try:
        return (repr(read(raw)),)  # type: ignore[operator]  # one of the two functions
    except DomainError as error:
        return type(error), str(error)


@given(VALUES)
@example(2**64)
@example(-(2**70))
def test_what_is_written_reads_the_same_by_either(value: object) -> None:
    assert repr(json.loads(write_json(value))) == repr(json.loads(compact_json(value))) == repr(value)
    assert repr(read_json(write_json(value))) == repr(value)


@given(st.datetimes(timezones=st.just(UTC)))
@example(datetime(1, 1, 1, tzinfo=UTC))
def test_instant_is_written_as_everywhere(instant: datetime) -> None:
    assert write_json(instant) == write_json(format_instant(instant))


@given(st.binary(max_size=20) | ALMOST | VALUES.map(lambda value: json.dumps(value).encode()))
@example(b"1e999")
@example(b"-0")
@example(b"-0.0")
@example(b'{"a":1,"a":2}')
@example(b'"\\ud800"')
@example(b'"\\ud83d\\ude00"')
@example(b"\xef\xbb\xbf1")
@example(b"NaN")
@example(b"18446744073709551616")
@example(b"1" * 5000)
@example(b"[" * 100_000)
@example(b"0.1000000000000000055511151231257827021181583404541015625")
@example(b"123456789012345678901234567890.5e-20")
def test_the_same_is_read_and_the_same_refused(raw: bytes) -> None:
    assert outcome(read_json, raw) == outcome(parse_json, raw)


@given(FINITE)
def test_numbers_are_read_to_the_last_bit(number: float) -> None:
    read = read_json(repr(number).encode())
    assert isinstance(read, float)
    assert math.copysign(1, read) == math.copysign(1, number)
    assert read == number

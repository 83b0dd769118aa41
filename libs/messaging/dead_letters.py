"""Dead letters as their readers meet them: why, where from, and the record as it came.

Whoever sends a record to `award_requests_dlq` by hand may write what he likes: everything is checked. The record's own
headers come first, whatever their names; the last `dlq_reason` begins what the worker added.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import ConsumerRecord

from domain.errors import InvalidValueError
from domain.times import parse_instant
from messaging.award_requested import REPLY_PARTITION_HEADER
from messaging.cloud_events import Header, text_headers

REDRIVE_COUNT_HEADER = "redrive_count"
"""How often the request was published again after it had been rejected."""

_FIRST_ADDED = "dlq_reason"
_LARGEST_PARTITION = 2**31 - 1
_LARGEST_OFFSET = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedAt:
    """Where the rejected record was; `timestamp_ms` is None in letters of before `dlq_timestamp`."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    time: datetime
    """When it was rejected, by the worker's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter."""

    place: RejectedAt
    reason: str
    detail: str
    cut_from: str | None
    """How many bytes the record had, if it was too large to be kept whole."""

    redrive_count: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    """Those that the record came with."""


def read_dead_letter(record: ConsumerRecord) -> DeadLetter | None:
    """Read a record of `award_requests_dlq`; None when its headers are not those of a dead letter."""
    begins = _where_added(record.headers)
    if begins is None:
        return None
    own, texts = record.headers[:begins], text_headers(record.headers[begins:])
    place = _place(texts)
    if place is None:
        return None
    return DeadLetter(
        place=place,
        reason=texts.get(_FIRST_ADDED, ""),
        detail=texts.get("dlq_detail", ""),
        cut_from=texts.get("dlq_cut_from"),
        redrive_count=_number(text_headers(own).get(REDRIVE_COUNT_HEADER), largest=_LARGEST_PARTITION) or 0,
        key=record.key,
        value=record.value,
        headers=own,
    )


def redriven_headers(letter: DeadLetter) -> Sequence[Header]:
    """The headers with which the request is published again: nobody waits for its outcome any more."""
    replaced = {REPLY_PARTITION_HEADER, REDRIVE_COUNT_HEADER}
    kept = [(name, value) for name, value in letter.headers if name not in replaced]
    return [*kept, (REDRIVE_COUNT_HEADER, str(letter.redrive_count + 1).encode())]


def _where_added(headers: Sequence[Header]) -> int | None:
    return next((at for at in reversed(range(len(headers))) if headers[at][0] == _FIRST_ADDED), None)


def _place(texts: Mapping[str, str]) -> RejectedAt | None:
    topic = texts.get("dlq_topic")
    partition = _number(texts.get("dlq_partition"), largest=_LARGEST_PARTITION)
    offset = _number(texts.get("dlq_offset"), largest=_LARGEST_OFFSET)
    try:
        time = parse_instant("dlq_time", texts.get("dlq_time"))
    except InvalidValueError:
        return None
    if topic is None or "\0" in topic or partition is None or offset is None:
        return None
    stamp = texts.get("dlq_timestamp")
    timestamp_ms = -1 if stamp == "-1" else _number(stamp, largest=_LARGEST_OFFSET)
    return RejectedAt(topic=topic, partition=partition, offset=offset, timestamp_ms=timestamp_ms, time=time)


def _number(text: str | None, *, largest: int) -> int | None:
    if text is None or not (text.isascii() and text.isdecimal() and len(text) <= len(str(largest))):
        return None
    number = int(text)
    return number if number <= largest else None

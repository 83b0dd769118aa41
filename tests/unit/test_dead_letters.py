"""Dead letters as they are read: whoever writes to their topic by hand may write what he likes."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from builders import NOON, raw_record
from domain.awards import Rejected, RejectionReason
from messaging.announcements import KafkaAnnouncements
from messaging.dead_letters import RejectedAt, read_dead_letter, redriven_headers
from messaging.outbox_payload import unpack_messages
from messaging.topics import Topics

Headers = Sequence[tuple[str, bytes | None]]

OWN = {
    "dlq_reason": b"badge_not_found",
    "dlq_topic": b"t",
    "dlq_partition": b"3",
    "dlq_offset": b"42",
    "dlq_time": b"2026-02-14T12:00:00Z",
}


def record(headers: Headers) -> SimpleNamespace:
    return SimpleNamespace(key=b"k", value=b"v", headers=tuple(headers))


def test_letter_of_the_worker_is_read_as_it_was_written() -> None:
    came: Headers = (("ce_id", b"7"), ("odd", b"\xff"), ("none", None))
    rejected = Rejected(reason=RejectionReason.BADGE_NOT_FOUND, detail="Badge 'x' not found")
    packed = KafkaAnnouncements(Topics()).dead_letter(raw_record(b"{}", headers=came, offset=42), rejected, NOON)
    (message,) = unpack_messages(packed)
    letter = read_dead_letter(message)
    assert letter is not None
    assert letter.place == RejectedAt(
        topic="award_requests", partition=0, offset=42, timestamp_ms=1_700_000_000_000, time=NOON
    )
    assert (letter.reason, letter.detail) == ("badge_not_found", "Badge 'x' not found")
    assert (letter.value, list(letter.headers)) == (b"{}", list(came))
    assert (letter.cut_from, letter.redrive_count) == (None, 0)


def test_headers_of_a_strangers_that_look_like_ours_stay_his() -> None:
    came: Headers = (("dlq_cut_from", b"9"), ("dlq_reason", b"his"), ("dlq_time", b"noon"), ("dlq_mine", b"1"))
    rejected = Rejected(reason=RejectionReason.BADGE_NOT_FOUND, detail="")
    packed = KafkaAnnouncements(Topics()).dead_letter(raw_record(b"{}", headers=came), rejected, NOON)
    letter = read_dead_letter(next(unpack_messages(packed)))
    assert letter is not None
    assert (letter.cut_from, letter.reason, letter.place.time) == (None, "badge_not_found", NOON)
    assert list(letter.headers) == list(came)
    assert redriven_headers(letter) == [*came, ("redrive_count", b"1")]


@pytest.mark.parametrize(
    "changed",
    [
        {"dlq_topic": None},
        {"dlq_topic": b"a\0b"},
        {"dlq_topic": b"\xff"},
        {"dlq_partition": b"-1"},
        {"dlq_partition": b"2147483648"},
        {"dlq_offset": "٣".encode()},
        {"dlq_offset": b"9" * 5000},
        {"dlq_time": b"yesterday"},
        {"dlq_time": None},
    ],
)
def test_record_without_the_headers_of_a_dead_letter_is_none(changed: dict[str, bytes | None]) -> None:
    assert read_dead_letter(record(list({**OWN, **changed}.items()))) is None


def test_record_without_a_reason_is_no_dead_letter() -> None:
    assert read_dead_letter(record([(name, value) for name, value in OWN.items() if name != "dlq_reason"])) is None


@pytest.mark.parametrize(("stamp", "expected"), [(b"5", 5), (b"-1", -1), (b"-2", None), (b"x", None), (None, None)])
def test_letter_may_not_say_the_timestamp_of_its_record(stamp: bytes | None, expected: int | None) -> None:
    letter = read_dead_letter(record(list({**OWN, "dlq_timestamp": stamp}.items())))
    assert letter is not None
    assert letter.place.timestamp_ms == expected


def test_redriven_request_has_its_own_headers_and_one_try_more() -> None:
    first: Headers = [("ce_id", b"7"), ("reply_partition", b"3"), ("request_id", b"7")]
    letter = read_dead_letter(record([*first, *OWN.items()]))
    assert letter is not None
    again = redriven_headers(letter)
    assert again == [("ce_id", b"7"), ("request_id", b"7"), ("redrive_count", b"1")]
    rejected_again = read_dead_letter(record([*again, *OWN.items()]))
    assert rejected_again is not None
    assert redriven_headers(rejected_again) == [("ce_id", b"7"), ("request_id", b"7"), ("redrive_count", b"2")]


@pytest.mark.parametrize("count", [b"", b"-1", b"1.5", b"\xff", None])
def test_count_that_is_none_counts_as_no_try(count: bytes | None) -> None:
    letter = read_dead_letter(record([("redrive_count", count), *OWN.items()]))
    assert letter is not None
    assert letter.redrive_count == 0

"""Messages to the world: the event of an award, and dead letters."""

import json
from dataclasses import replace

from builders import NOON, TENANT, award_of, award_request, badge, raw_record
from domain.awards import RawRecord, Rejected, RejectionReason, award_event_id
from messaging.announcements import KafkaAnnouncements, award_message, replayed
from messaging.outbox_payload import OutboxMessage, hash_of_key, unpack_messages
from messaging.topics import Topics

ANNOUNCEMENTS = KafkaAnnouncements(Topics("x_"))
REJECTED = Rejected(reason=RejectionReason.MALFORMED_JSON, detail="cut")


def dead_letter(record: RawRecord, rejected: Rejected = REJECTED) -> OutboxMessage:
    """The dead letter of a record."""
    (message,) = unpack_messages(ANNOUNCEMENTS.dead_letter(record, rejected, NOON))
    return message


def test_event_tells_of_the_award_and_of_the_badge_as_it_is_now() -> None:
    power_user = badge(icon_url="https://cdn.example.com/badges/power.png", category="engagement")
    award = award_of(award_request(metadata={"trigger": "10th_login"}, request_id="r1"), power_user)
    (message,) = unpack_messages(ANNOUNCEMENTS.badge_awarded(award, power_user))
    assert message.topic == "x_badge_awarded"
    assert message.key == f"{TENANT}:user_123".encode()
    assert message.partition_hash == hash_of_key(message.key)
    assert dict(message.headers) == {
        "ce_specversion": b"1.0",
        "ce_type": b"badges.badge.awarded.v1",
        "ce_id": str(award_event_id(award.key)).encode(),
        "ce_source": b"/badges",
        "ce_subject": b"user_123",
        "ce_time": b"2026-02-14T12:00:00Z",
        "content-type": b"application/json",
    }
    assert message.value is not None
    assert json.loads(message.value) == {
        "tenant_id": str(TENANT),
        "participant_id": "user_123",
        "badge_id": str(power_user.id),
        "badge_code": "power_user",
        "badge_name": "Power User",
        "rarity": "rare",
        "icon": "https://cdn.example.com/badges/power.png",
        "category": "engagement",
        "earned_at": "2026-02-14T12:00:00Z",
        "metadata": {"trigger": "10th_login"},
        "request_id": "r1",
        "source": "/tests",
    }


def test_event_of_an_award_without_metadata_says_null() -> None:
    award = award_of(award_request(metadata=None), badge())
    (message,) = unpack_messages(ANNOUNCEMENTS.badge_awarded(award, badge()))
    assert json.loads(message.value or b"")["metadata"] is None


def test_event_of_one_award_is_always_the_same() -> None:
    award = award_of(award_request(), badge())
    assert ANNOUNCEMENTS.badge_awarded(award, badge()) == ANNOUNCEMENTS.badge_awarded(award, badge())


def test_dead_letter_is_the_record_as_it_came_with_the_reason_behind() -> None:
    came = (("a", None), ("ce_id", b"\xff"), ("dlq_reason", b"earlier"))
    message = dead_letter(raw_record(b"{", headers=came, offset=42)._replace(key=b"\xffkey"))
    assert (message.topic, message.key, message.value) == ("x_award_requests_dlq", b"\xffkey", b"{")
    assert message.headers == (
        *came,
        ("dlq_reason", b"malformed_json"),
        ("dlq_detail", b"cut"),
        ("dlq_topic", b"award_requests"),
        ("dlq_partition", b"0"),
        ("dlq_offset", b"42"),
        ("dlq_timestamp", b"1700000000000"),
        ("dlq_time", b"2026-02-14T12:00:00Z"),
    )


def test_dead_letter_of_a_tombstone_without_a_key_has_neither() -> None:
    message = dead_letter(raw_record(headers=())._replace(key=None, value=None))
    assert (message.key, message.value) == (None, None)


def test_dead_letter_of_an_empty_key_keeps_it() -> None:
    assert dead_letter(raw_record()._replace(key=b"")).key == b""


def test_long_and_hostile_details_are_cut_and_written_as_text() -> None:
    detail = dead_letter(raw_record(), replace(REJECTED, detail="\ud800" + "é" * 600))
    assert dict(detail.headers)["dlq_detail"] == ("?" + "é" * 499).encode()


def test_replayed_event_is_the_same_but_for_its_mark() -> None:
    award = award_of(award_request(), badge())
    told = award_message("elsewhere", award, badge())
    again = replayed(told)
    assert (again.topic, again.key, again.value) == ("elsewhere", told.key, told.value)
    assert again.partition_hash == told.partition_hash
    assert list(again.headers) == [*told.headers, ("ce_replay", b"true")]

import json

from aiokafka import ConsumerRecord

from badgectl.event_lines import dead_letter_json, dead_letter_line, event_json, event_line

EVENT_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_type", b"badges.badge.awarded.v1"),
    ("ce_id", b"e1"),
    ("ce_source", b"/badges"),
    ("ce_subject", b"u"),
    ("ce_time", b"2020-01-01T00:00:00Z"),
    ("content-type", b"application/json"),
)
DLQ_HEADERS = (
    ("ce_id", b"r1"),
    ("dlq_reason", b"badge_not_found"),
    ("dlq_detail", b"Badge 'x' not found"),
    ("dlq_topic", b"award_requests"),
    ("dlq_partition", b"3"),
    ("dlq_offset", b"17"),
    ("dlq_time", b"2020-01-01T00:00:00Z"),
)


def record(value: bytes | None, headers: tuple[tuple[str, bytes | None], ...]) -> ConsumerRecord:
    return ConsumerRecord("t", 0, 0, 0, 0, b"k\xff", value, 0, 0, 0, headers)


def test_event_is_one_cloudevent_in_structured_mode() -> None:
    event = json.loads(event_json(record(b'{"badge_code":"b"}', EVENT_HEADERS)))
    assert event == {
        "specversion": "1.0",
        "type": "badges.badge.awarded.v1",
        "id": "e1",
        "source": "/badges",
        "subject": "u",
        "time": "2020-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {"badge_code": "b"},
    }


def test_event_line_cannot_move_the_cursor() -> None:
    value = json.dumps({"participant_id": "a\x1b[2J\nb", "badge_code": "b", "rarity": "rare"}).encode()
    line = event_line(record(value, EVENT_HEADERS))
    assert line.isprintable()
    assert "b (rare)" in line
    assert "e1" in line


def test_dead_letter_shows_why_and_where_from() -> None:
    line = dead_letter_line(record(b"x", DLQ_HEADERS))
    assert "badge_not_found" in line
    assert "award_requests/3@17" in line


def test_dead_letter_that_is_no_text_is_shown_in_base64() -> None:
    letter = json.loads(dead_letter_json(record(b"\xff", (*DLQ_HEADERS, ("odd", b"\xff"), ("null", None)))))
    assert letter["value_base64"] == "/w=="
    assert letter["dlq_reason"] == "badge_not_found"
    assert letter["headers"] == {"ce_id": "r1"}


def test_tombstone_and_hostile_json_make_lines_too() -> None:
    for value in (None, b"[" * 100_000, b"NaN", b"5"):
        record_of_value = record(value, DLQ_HEADERS)
        for form in (event_json, dead_letter_json, event_line, dead_letter_line):
            assert "\n" not in form(record_of_value)

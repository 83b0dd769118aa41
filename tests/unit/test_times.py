"""Instants: which texts are read, and how they are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValueError
from domain.times import format_instant, parse_instant, utc_now

TEN = datetime(2026, 2, 14, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-02-14T10:00:00Z", TEN),
        ("2026-02-14t10:00:00z", TEN),
        ("2026-02-14T10:00:00-00:00", TEN),
        ("2026-02-14T12:00:00+02:00", TEN),
        ("2026-02-13T10:01:00-23:59", TEN),
        ("2026-02-14T10:00:00.5Z", TEN + timedelta(milliseconds=500)),
        ("2026-02-14T10:00:00.123456Z", TEN + timedelta(microseconds=123456)),
        ("2026-02-14T10:00:00.123456999Z", TEN + timedelta(microseconds=123456)),
        ("2026-02-14T10:00:00.0000009Z", TEN),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read_to_the_microsecond_in_utc(text: str, instant: datetime) -> None:
    read = parse_instant("earned_at", text)
    assert read == instant
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-02-14",
        "2026-02-14T10:00:00",
        "2026-02-14T10:00Z",
        "2026-02-14 10:00:00Z",
        "20260214T100000Z",
        "2026-W07-6T10:00:00Z",
        "2026-2-14T10:00:00Z",
        "02026-02-14T10:00:00Z",
        "+2026-02-14T10:00:00Z",
        "2026-02-14T10:00:00.Z",
        "2026-02-14T10:00:00,5Z",
        "2026-02-14T10:00:00+02",
        "2026-02-14T10:00:00+0200",
        "2026-02-14T10:00:00 Z",
        " 2026-02-14T10:00:00Z",
        "2026-02-14T10:00:00Z\n",
        "２０２６-02-14T10:00:00Z",  # noqa: RUF001 - digits, but not these
        "2026-02-14T10:00:00+24:00",
        "2026-02-14T10:00:00+05:60",
        "2026-02-14T24:00:00Z",
        "2026-02-14T10:60:00Z",
        "2016-12-31T23:59:60Z",
        "2026-02-29T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:00-00:01",
        1_760_000_000,
        True,
        None,
        b"2026-02-14T10:00:00Z",
    ],
)
def test_everything_else_is_refused(text: object) -> None:
    with pytest.raises(InvalidValueError, match="earned_at") as refused:
        parse_instant("earned_at", text)
    assert refused.value.field == "earned_at"


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (TEN, "2026-02-14T10:00:00Z"),
        (TEN + timedelta(microseconds=1), "2026-02-14T10:00:00.000001Z"),
        (datetime(2026, 2, 14, 10, tzinfo=timezone(timedelta(hours=2))), "2026-02-14T08:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_instants_are_written_in_utc_with_z(instant: datetime, text: str) -> None:
    assert format_instant(instant) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_again(instant: datetime) -> None:
    assert parse_instant("t", format_instant(instant)) == instant


def test_clock_tells_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)

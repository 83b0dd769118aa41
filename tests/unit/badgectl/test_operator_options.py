"""Options that operators type: times, ids, places."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from badgectl.dlq_filters import id_of, place_of
from badgectl.failures import CommandError
from badgectl.periods import instant_of
from badgectl.replay_run import place_of_token, token_of
from domain.awards import LogPosition

NOW = datetime(2026, 2, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-02-14T13:00:00+01:00", NOW),
        (None, None),
    ],
)
def test_time_is_an_instant_or_so_long_ago(text: str | None, expected: datetime | None) -> None:
    assert instant_of("--since", text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "2", "h", "2w", "-2h", "٢h", "999999999d", "yesterday", "2026-02-14T12:00:00"])
def test_other_times_are_refused_by_the_name_of_the_option(text: str) -> None:
    with pytest.raises(CommandError, match="--until"):
        instant_of("--until", text, now=NOW)


def test_id_of_a_request_names_its_place_in_the_log() -> None:
    position = LogPosition(topic="a-b-1_award_requests", partition=3, offset=42, timestamp_ms=0)
    assert id_of(position) == "a-b-1_award_requests-3-42"
    assert place_of(id_of(position)) == ("a-b-1_award_requests", 3, 42)


@pytest.mark.parametrize(
    "text", ["", "t", "t-1", "-1-2", "t-x-1", "t-1-", "t-99999999999-1", "t-1-99999999999999999999"]
)
def test_other_ids_are_refused(text: str) -> None:
    with pytest.raises(CommandError):
        place_of(text)


@pytest.mark.parametrize("participant_id", ["user_1", "ü/\x07 \u2028", "a" * 255])
def test_place_of_a_replay_is_printable_and_read_again(participant_id: str) -> None:
    place = (UUID(int=1), participant_id, UUID(int=2))
    token = token_of(place)
    assert token.isascii()
    assert token.isprintable()
    assert " " not in token
    assert place_of_token(token) == place


@pytest.mark.parametrize("token", ["", "x", "e30=", "WzFd", "WyIiLCIiLCIiXQ==", "ü"])
def test_other_places_are_refused(token: str) -> None:
    with pytest.raises(CommandError, match="--after"):
        place_of_token(token)

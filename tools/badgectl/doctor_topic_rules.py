"""What each topic's settings have to be, and what happens otherwise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from badgectl.doctor_findings import Level
from messaging.topics import DAY_MS, MEBIBYTE, REPLY_BYTES, REQUEST_BYTES, Topics

LEAST_ROOM_BYTES = 1024 * MEBIBYTE
OUTCOMES_MS = 10 * 60 * 1000
FOREVER = "-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRule:
    """One setting of some topics."""

    names: Callable[[Topics], Sequence[str]]
    setting: str
    wanted: str
    is_met: Callable[[str], bool]
    level: Level
    otherwise: str


def _requests(topics: Topics) -> Sequence[str]:
    return [topics.award_requests]


def _results(topics: Topics) -> Sequence[str]:
    return [topics.badge_awarded, topics.award_requests_dlq]


def _outcomes(topics: Topics) -> Sequence[str]:
    return [topics.award_outcomes]


def _letters(topics: Topics) -> Sequence[str]:
    return [topics.award_requests_dlq]


def _records(topics: Topics) -> Sequence[str]:
    return [topics.award_requests, topics.badge_awarded, topics.award_requests_dlq, topics.award_outcomes]


def _is(wanted: str) -> Callable[[str], bool]:
    return lambda value: value == wanted


RULES = (
    TopicRule(
        names=_records,
        setting="cleanup.policy",
        wanted="delete",
        is_met=_is("delete"),
        level=Level.FAILURE,
        otherwise="compaction keeps one record of each participant, and drops the others",
    ),
    TopicRule(
        names=_records,
        setting="unclean.leader.election.enable",
        wanted="false",
        is_met=_is("false"),
        level=Level.FAILURE,
        otherwise="a broker that has fallen behind may lead, and what it has not is lost",
    ),
    TopicRule(
        names=_requests,
        setting="retention.ms",
        wanted=FOREVER,
        is_met=_is(FOREVER),
        level=Level.FAILURE,
        otherwise="requests with old dates, of a backfill, may be deleted before they are read",
    ),
    TopicRule(
        names=_requests,
        setting="retention.bytes",
        wanted=str(LEAST_ROOM_BYTES),
        is_met=lambda value: value == FOREVER or int(value) >= LEAST_ROOM_BYTES,
        level=Level.WARNING,
        otherwise="requests that wait for long may be deleted before they are read",
    ),
    TopicRule(
        names=_requests,
        setting="max.message.bytes",
        wanted=str(REQUEST_BYTES),
        is_met=_is(str(REQUEST_BYTES)),
        level=Level.WARNING,
        otherwise="smaller, it refuses requests that are allowed; larger, some do not fit a dead letter",
    ),
    TopicRule(
        names=_requests,
        setting="compression.type",
        wanted="uncompressed",
        is_met=_is("uncompressed"),
        level=Level.WARNING,
        otherwise="a few compressed bytes can become any number in a worker's memory",
    ),
    TopicRule(
        names=_results,
        setting="retention.ms",
        wanted=FOREVER,
        is_met=_is(FOREVER),
        level=Level.WARNING,
        otherwise="consumers that come later miss what is deleted, and `badgectl verify` and `dlq` do not find it",
    ),
    TopicRule(
        names=_results,
        setting="max.message.bytes",
        wanted=str(REPLY_BYTES),
        is_met=lambda value: int(value) >= REPLY_BYTES,
        level=Level.FAILURE,
        otherwise="the relay stops at what does not fit",
    ),
    TopicRule(
        names=_outcomes,
        setting="max.message.bytes",
        wanted=str(REPLY_BYTES),
        is_met=lambda value: int(value) >= REPLY_BYTES,
        level=Level.WARNING,
        otherwise="callers of large batches wait in vain for their answer",
    ),
    TopicRule(
        names=_outcomes,
        setting="retention.ms",
        wanted=str(OUTCOMES_MS),
        is_met=lambda value: 0 < int(value) <= DAY_MS,
        level=Level.WARNING,
        otherwise="answers are read within seconds; kept for longer, they fill the disks",
    ),
    TopicRule(
        names=_letters,
        setting="message.timestamp.type",
        wanted="LogAppendTime",
        is_met=_is("LogAppendTime"),
        level=Level.WARNING,
        otherwise="`badgectl dlq show` and `redrive` look dead letters up by the time they were written",
    ),
)

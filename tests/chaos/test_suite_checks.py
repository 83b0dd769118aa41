"""The checks of `make chaos` can fail: each thing that must not happen is told to them, and they name it."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from builders import badge
from chaos.suite.checks import EventCheck, check_answers, check_awards, expected_event, expected_headers
from chaos.suite.dead_letter_checks import DeadLetterCheck, check_rejections
from chaos.suite.evidence import AwardRow, Record, RejectionRow
from chaos.suite.ledger import MARK, Acknowledged, Calls, Ledger, fingerprint
from chaos.suite.replay import GATEWAY_SOURCE, Replay
from domain.awards import RejectionReason

NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)
ONE_O_CLOCK = NOON.replace(hour=13)
BADGES = {code: badge(id=UUID(int=number), code=code) for number, code in enumerate(("first", "second", "third"))}


@dataclass(slots=True, kw_only=True)
class Story:
    """What Kafka, Postgres and the callers say; at first all of it is true."""

    log: list[Record]
    ledger: Ledger
    rows: list[AwardRow]
    events: list[Record]
    letters: list[Record]
    rejections: list[RejectionRow]


def request(offset: int, code: str, *, source: str, mark: str | None) -> Record:
    """A request of ada's."""
    data = {"participant_id": "ada", "badge_code": code, "earned_at": NOON.isoformat(), "metadata": {"n": offset}}
    headers = [("ce_id", b"request-%d" % offset), ("ce_source", source.encode())]
    headers += [] if mark is None else [(MARK, mark.encode())]
    return record(offset, json.dumps(data).encode(), headers)


def record(offset: int, value: bytes, headers: list[tuple[str, bytes]]) -> Record:
    return Record(partition=0, offset=offset, timestamp_ms=5, key=b"ada", value=value, headers=tuple(headers))


def row(request: Record) -> AwardRow:
    """The award that a request earns."""
    data = json.loads(request.value or b"")
    texts = request.texts()
    return AwardRow(
        participant_id=data["participant_id"],
        code=data["badge_code"],
        earned_at=datetime.fromisoformat(data["earned_at"]),
        metadata=json.dumps(data["metadata"]),
        request_id=texts["ce_id"],
        source=texts["ce_source"],
        partition=request.partition,
        offset=request.offset,
    )


def event(award: AwardRow, offset: int) -> Record:
    """The event of an award."""
    definition = BADGES[award.code]
    headers = [(name, text.encode()) for name, text in expected_headers(award, definition).items()]
    told = record(offset, json.dumps(expected_event(award, definition)).encode(), headers)
    return replace(told, key=f"{definition.tenant_id}:{award.participant_id}".encode())


def dead_letter(bad: Record) -> Record:
    """The dead letter of a record."""
    added = {
        "dlq_reason": "malformed_json",
        "dlq_detail": "cut",
        "dlq_topic": "award_requests",
        "dlq_partition": str(bad.partition),
        "dlq_offset": str(bad.offset),
        "dlq_timestamp": str(bad.timestamp_ms),
        "dlq_time": "2026-02-14T12:00:00Z",
    }
    return replace(bad, offset=0, headers=(*bad.headers, *((name, text.encode()) for name, text in added.items())))


@pytest.fixture
def story() -> Story:
    """Three awards, one of them over HTTP and asked for twice; and one bad record."""
    key_source = f"{GATEWAY_SOURCE}{UUID(int=9)}"
    log = [
        request(0, "first", source=key_source, mark=None),
        request(1, "second", source="/upstream", mark="good-1"),
        request(2, "first", source=key_source, mark=None),
        record(3, b"{", [(MARK, b"bad-1")]),
        request(4, "third", source="/upstream", mark="good-2"),
    ]
    ledger = Ledger(bad={"bad-1": RejectionReason.MALFORMED_JSON})
    for one in log:
        if mark := one.texts().get(MARK):
            known = Acknowledged(mark, fingerprint(one.key, one.value, one.headers))
            ledger.acknowledged[one.partition, one.offset] = known
    ledger.calls["ada", "first"] = Calls(told=2, told_first=1, earned_at="2026-02-14T12:00:00Z")
    ledger.calls["ada", "unknown"] = Calls(not_found=1)
    rows = [row(log[0]), row(log[1]), row(log[4])]
    events = [event(award, offset) for offset, award in enumerate(rows)]
    rejection = RejectionRow(partition=0, offset=3, timestamp_ms=5, reason="malformed_json")
    return Story(
        log=log, ledger=ledger, rows=rows, events=events, letters=[dead_letter(log[3])], rejections=[rejection]
    )


def verdict(story: Story) -> Mapping[str, list[str]]:
    """What breaks, by invariant, with the first examples."""
    replay = Replay(story.ledger)
    for one in story.log:
        replay.add(one)
    awards, rows = check_awards(replay.earned, story.rows)
    events = EventCheck(rows, BADGES)
    for one in story.events:
        events.add(one)
    letters = DeadLetterCheck(replay.bad, "award_requests")
    for one in story.letters:
        letters.add(one)
    rejections = check_rejections(replay.bad, story.rejections)
    answers = check_answers(story.ledger, rows)
    invariants = [replay.finish(), awards, *answers, *events.finish(), letters.finish(), rejections]
    return {invariant.name: invariant.examples for invariant in invariants if invariant.broken}


def test_true_story_breaks_nothing(story: Story) -> None:
    assert verdict(story) == {}


def lose_the_last_event(story: Story) -> None:
    del story.events[-1]


def double_an_event(story: Story) -> None:
    story.events.append(replace(story.events[0], offset=7))


def alter_the_metadata_of_an_event(story: Story) -> None:
    data = json.loads(story.events[1].value or b"") | {"metadata": {"n": 99}}
    story.events[1] = replace(story.events[1], value=json.dumps(data).encode())


def alter_the_id_of_an_event(story: Story) -> None:
    headers = [(name, b"other" if name == "ce_id" else value) for name, value in story.events[1].headers]
    story.events[1] = replace(story.events[1], headers=tuple(headers))


def tell_of_an_award_that_is_not_there(story: Story) -> None:
    invented = replace(story.rows[0], participant_id="eve")
    story.events.append(event(invented, 8))


def swap_two_events(story: Story) -> None:
    story.events[0], story.events[1] = story.events[1], story.events[0]


def lose_an_award(story: Story) -> None:
    del story.rows[1]
    del story.events[1]


def award_what_nobody_asked_for(story: Story) -> None:
    story.rows.append(replace(story.rows[0], participant_id="eve"))
    story.events.append(event(story.rows[-1], 9))


def let_the_second_request_decide(story: Story) -> None:
    story.rows[0] = row(story.log[2])
    story.events[:2] = [story.events[1], event(story.rows[0], 1)]


def answer_another_date(story: Story) -> None:
    story.ledger.calls["ada", "first"].earned_at = ONE_O_CLOCK.isoformat()


def answer_what_is_not_awarded(story: Story) -> None:
    story.ledger.calls["ada", "unknown"].told = 1


def accept_what_is_not_awarded(story: Story) -> None:
    story.ledger.calls["ada", "unknown"].accepted = 1


def tell_two_callers_that_they_were_first(story: Story) -> None:
    story.ledger.calls["ada", "first"].told_first = 2


def tell_nobody_that_he_was_first(story: Story) -> None:
    story.ledger.calls["ada", "first"].told_first = 0


def tell_a_caller_that_he_was_before_kafka(story: Story) -> None:
    story.ledger.calls["ada", "second"] = Calls(told=1, told_first=1, earned_at="2026-02-14T12:00:00Z")


def answer_500(story: Story) -> None:
    story.ledger.note_oddity("('ada', 'first'): 500")


def lose_a_dead_letter(story: Story) -> None:
    story.letters.clear()


def double_a_dead_letter(story: Story) -> None:
    story.letters.append(replace(story.letters[0], offset=1))


def alter_a_dead_letter(story: Story) -> None:
    story.letters[0] = replace(story.letters[0], value=b"{}")


def give_another_reason(story: Story) -> None:
    story.letters[0] = dead_letter(replace(story.log[3], timestamp_ms=6))


def reject_a_good_request(story: Story) -> None:
    story.letters.append(dead_letter(story.log[1]))


def forget_a_rejection(story: Story) -> None:
    story.rejections.clear()


def lose_an_acknowledged_record(story: Story) -> None:
    del story.log[2], story.log[2]
    story.letters.clear()
    story.rejections.clear()


def alter_an_acknowledged_record(story: Story) -> None:
    story.log[1] = replace(story.log[1], headers=(*story.log[1].headers, ("more", b"")))


@pytest.mark.parametrize(
    ("lie", "invariant", "named"),
    [
        (lose_the_last_event, "events", "('ada', 'third'): no event"),
        (double_an_event, "events", "('ada', 'first'): event (0, 7), and before that (0, 0)"),
        (alter_the_metadata_of_an_event, "events", "99"),
        (alter_the_id_of_an_event, "events", "other"),
        (tell_of_an_award_that_is_not_there, "events", "('eve', 'first'): event (0, 8) without an award"),
        (swap_two_events, "order", "('ada', 'first') (request (0, 0)"),
        (lose_an_award, "awards", "('ada', 'second'): lost"),
        (award_what_nobody_asked_for, "awards", "('eve', 'first'): awarded, but nobody asked"),
        (let_the_second_request_decide, "awards", "request-2"),
        (answer_another_date, "answers", "('ada', 'first'): answered 2026-02-14T13:00:00+00:00"),
        (answer_what_is_not_awarded, "answers", "('ada', 'unknown')"),
        (accept_what_is_not_awarded, "answers", "('ada', 'unknown')"),
        (tell_two_callers_that_they_were_first, "first answers", "told_first=2"),
        (tell_nobody_that_he_was_first, "first answers", "told_first=0"),
        (tell_a_caller_that_he_was_before_kafka, "first answers", "earned by /upstream"),
        (answer_500, "answers", "500"),
        (lose_a_dead_letter, "dead letters", "(0, 3): no dead letter"),
        (double_a_dead_letter, "dead letters", "(0, 3): a second dead letter"),
        (alter_a_dead_letter, "dead letters", "(0, 3): the dead letter is not the record as it came"),
        (give_another_reason, "dead letters", "(0, 3): says"),
        (reject_a_good_request, "dead letters", "(0, 1): a dead letter of a good request"),
        (forget_a_rejection, "rejected requests", "(0, 3, 5): no row"),
        (lose_an_acknowledged_record, "the log", "1 acknowledged records are missing"),
        (alter_an_acknowledged_record, "the log", "(0, 1) is not what was acknowledged there"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_lie_is_found_and_named(lie: Callable[[Story], None], invariant: str, named: str, story: Story) -> None:
    told = deepcopy(story)
    lie(told)
    broken = verdict(told)
    assert list(broken) == [invariant]
    assert any(named in example for example in broken[invariant]), broken

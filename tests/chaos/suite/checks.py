"""The invariants of awards, answers and events, each fed with all there is and asked in the end."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from chaos.suite.evidence import AwardRow, Record
from chaos.suite.invariants import Invariant
from chaos.suite.ledger import Ledger, Pair, Place
from chaos.suite.replay import GATEWAY_SOURCE, Earned, one_form
from domain.awards import award_event_id
from domain.badges import Badge


def check_awards(earned: Mapping[Pair, Earned], rows: Iterable[AwardRow]) -> tuple[Invariant, dict[Pair, AwardRow]]:
    """Compare what the log asks for with what Postgres has; return the rows by pair too."""
    invariant = Invariant(
        "awards",
        "every valid request in the log is awarded once, as the first request for it says, and nothing else is",
    )
    found: dict[Pair, AwardRow] = {}
    for row in rows:
        pair = (row.participant_id, row.code)
        found[pair] = row
        expected = earned.get(pair)
        if expected is None:
            invariant.breaks(f"{pair}: awarded, but nobody asked: {row}")
            continue
        actual = Earned(
            place=(row.partition, row.offset),
            earned_at=row.earned_at,
            request_id=row.request_id,
            source=row.source,
            metadata=one_form(None if row.metadata is None else json.loads(row.metadata)),
        )
        invariant.require(actual == expected, f"{pair}: the row is {actual}, the log says {expected}")
    for pair in earned.keys() - found.keys():
        invariant.breaks(f"{pair}: lost; asked for at {earned[pair].place}, request {earned[pair].request_id}")
    invariant.checked = len(earned)
    return invariant, found


def check_answers(ledger: Ledger, awards: Mapping[Pair, AwardRow]) -> tuple[Invariant, Invariant]:
    """Compare what callers were told with what is in Postgres."""
    true = Invariant("answers", "what was answered 200 or 202 is in Postgres, with the answered earned_at; 404 is not")
    first = Invariant(
        "first answers",
        "of all tries for an award, at most one heard already_earned: false; none only if the award came over Kafka, "
        "or the answer to some try was lost or was a 202",
    )
    for pair, calls in ledger.calls.items():
        row = awards.get(pair)
        true.checked += calls.told + calls.accepted + calls.not_found
        if row is None:
            true.require(not calls.told and not calls.accepted, f"{pair}: {calls}, but there is no award")
            continue
        if calls.earned_at is not None:
            is_same = datetime.fromisoformat(calls.earned_at) == row.earned_at
            true.require(is_same, f"{pair}: answered {calls.earned_at}, Postgres has {row.earned_at}")
        true.require(not calls.not_found, f"{pair}: {calls}, but there is an award")
        if calls.told:
            first.checked += 1
            came_over_http = row.source.startswith(GATEWAY_SOURCE)
            fewest = int(came_over_http and not calls.unheard and not calls.accepted)
            is_right = fewest <= calls.told_first <= int(came_over_http)
            first.require(is_right, f"{pair}: {calls}, earned by {row.source}, request {row.request_id}")
    for oddity in ledger.oddities:
        true.breaks(oddity)
    true.broken += ledger.counts["odd answers"] - len(ledger.oddities)
    return true, first


class EventCheck:
    """Fed with every record of `badge_awarded`, in order by partition."""

    def __init__(self, awards: Mapping[Pair, AwardRow], badges: Mapping[str, Badge]) -> None:
        self._awards = awards
        self._badges = badges
        self._codes = {str(badge.id): code for code, badge in badges.items()}
        self._seen: dict[Pair, Place] = {}
        self._last: dict[str, tuple[Place, Pair]] = {}
        self._once = Invariant(
            "events",
            "a read_committed reader sees one event for each award, its every field as it has to be, and no other",
        )
        self._order = Invariant(
            "order", "the events of a participant come in the order of the requests that earned them"
        )

    def add(self, event: Record) -> None:
        """Take in the next event."""
        self._once.checked += 1
        place = (event.partition, event.offset)
        try:
            data = json.loads(event.value or b"null")
            pair = (data["participant_id"], self._codes[data["badge_id"]])
        except (ValueError, KeyError, TypeError):
            self._once.breaks(f"{place}: no event: {event.value!r:.300}")
            return
        award = self._awards.get(pair)
        if pair in self._seen:
            self._once.breaks(f"{pair}: event {place}, and before that {self._seen[pair]}")
        elif award is None:
            self._once.breaks(f"{pair}: event {place} without an award: {data}")
        else:
            self._compare(place, event, data, award)
            self._check_order(place, pair, award)
        self._seen.setdefault(pair, place)

    def finish(self) -> tuple[Invariant, Invariant]:
        """Name what is missing."""
        for pair in self._awards.keys() - self._seen.keys():
            self._once.breaks(f"{pair}: no event; {self._awards[pair]}")
        self._order.checked = len(self._last)
        return self._once, self._order

    def _compare(self, place: Place, event: Record, data: object, award: AwardRow) -> None:
        badge = self._badges[award.code]
        expected = expected_event(award, badge)
        headers = expected_headers(award, badge)
        key = f"{badge.tenant_id}:{award.participant_id}".encode()
        actual = (event.key, data, dict(event.headers))
        wanted = (key, expected, {name: text.encode() for name, text in headers.items()})
        is_same = actual == wanted and len(event.headers) == len(headers)
        self._once.require(is_same, f"{place}: the event is {actual}, it has to be {wanted}")

    def _check_order(self, place: Place, pair: Pair, award: AwardRow) -> None:
        here = (award.partition, award.offset)
        before = self._last.get(pair[0])
        if before is not None:
            is_later = before[0][0] == here[0] and before[0][1] < here[1]
            self._order.require(
                is_later, f"{pair} (request {here}, event {place}) comes after {before[1]}, {before[0]}"
            )
        self._last[pair[0]] = (here, pair)


def expected_event(award: AwardRow, badge: Badge) -> dict[str, object]:
    """The data of the award's event."""
    return {
        "tenant_id": str(badge.tenant_id),
        "participant_id": award.participant_id,
        "badge_id": str(badge.id),
        "badge_code": badge.code,
        "badge_name": badge.name,
        "rarity": badge.rarity.value,
        "icon": badge.icon_url,
        "category": badge.category,
        "earned_at": _instant(award.earned_at),
        "metadata": None if award.metadata is None else json.loads(award.metadata),
        "request_id": award.request_id,
        "source": award.source,
    }


def expected_headers(award: AwardRow, badge: Badge) -> dict[str, str]:
    """The headers of the award's event."""
    return {
        "ce_specversion": "1.0",
        "ce_type": "badges.badge.awarded.v1",
        "ce_id": str(award_event_id((badge.tenant_id, award.participant_id, badge.id))),
        "ce_source": "/badges",
        "ce_subject": award.participant_id,
        "ce_time": _instant(award.earned_at),
        "content-type": "application/json",
    }


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")

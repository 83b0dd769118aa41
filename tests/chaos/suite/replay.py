"""The log of requests, read anew by rules of our own: who earned what, and what can never succeed."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chaos.suite.evidence import Record
from chaos.suite.invariants import Invariant
from chaos.suite.ledger import MARK, Ledger, Pair, Place, fingerprint

GATEWAY_SOURCE = "/badges/api/keys/"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """An award as it has to be: of the first request for it in its partition."""

    place: Place
    earned_at: datetime
    request_id: str
    source: str
    metadata: str | None
    """JSON, in one form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A record that can never succeed."""

    fingerprint: bytes
    timestamp_ms: int
    reason: str


@dataclass(slots=True)
class Replay:
    """Fed with every record of `award_requests`, in order by partition."""

    ledger: Ledger
    earned: dict[Pair, Earned] = field(default_factory=dict)
    bad: dict[Place, Bad] = field(default_factory=dict)
    records: int = 0
    kept: Invariant = field(
        default_factory=lambda: Invariant(
            "the log",
            "every record that Kafka acknowledged stands where it said, byte for byte; nobody else's is there",
        )
    )
    _found: int = 0

    def add(self, record: Record) -> None:
        """Take in the next record."""
        self.records += 1
        place = (record.partition, record.offset)
        headers = record.texts()
        print_ = fingerprint(record.key, record.value, record.headers)
        acknowledged = self.ledger.acknowledged.get(place)
        if acknowledged is not None:
            self._found += 1
            self.kept.require(acknowledged.fingerprint == print_, f"{place} is not what was acknowledged there")
        reason = self.ledger.bad.get(headers.get(MARK, ""))
        if reason is not None:
            self.bad[place] = Bad(fingerprint=print_, timestamp_ms=record.timestamp_ms, reason=reason.value)
        elif MARK in headers or headers.get("ce_source", "").startswith(GATEWAY_SOURCE):
            self._add_request(record, place, headers.get)
        else:
            self.kept.breaks(f"{place} is of nobody: {record.value!r:.200}")

    def finish(self) -> Invariant:
        """Say whether the log kept what it acknowledged."""
        self.kept.checked = len(self.ledger.acknowledged)
        self.kept.require(
            self._found == self.kept.checked, f"{self.kept.checked - self._found} acknowledged records are missing"
        )
        return self.kept

    def _add_request(self, record: Record, place: Place, header: Callable[[str], str | None]) -> None:
        data = json.loads(record.value or b"null")
        pair = (data["participant_id"], data["badge_code"])
        if pair in self.earned:
            return
        date = data.get("earned_at") or header("ce_time")
        earned_at = datetime.fromisoformat(date) if date else _EPOCH + timedelta(milliseconds=record.timestamp_ms)
        self.earned[pair] = Earned(
            place=place,
            earned_at=earned_at,
            request_id=header("ce_id") or "",
            source=header("ce_source") or "",
            metadata=one_form(data.get("metadata")),
        )


def one_form(metadata: object) -> str | None:
    """Metadata as text that is equal where the JSON is."""
    return None if metadata is None else json.dumps(metadata, sort_keys=True)

"""What the load was told, and by whom: the side of the story that the checker holds the system to."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from domain.awards import RejectionReason

Pair: TypeAlias = tuple[str, str]
"""Participant and badge code, all of one tenant."""

Place: TypeAlias = tuple[int, int]
"""Partition and offset in `award_requests`."""

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

MARK = "chaos_id"
"""The header by which a record of the upstream producer is known again."""

MOST_ODDITIES = 50


@dataclass(slots=True)
class Calls:
    """What HTTP callers heard of one award, try by try."""

    told: int = 0
    """Tries answered 200."""
    told_first: int = 0
    """Those of them with `already_earned: false`."""
    earned_at: str | None = None
    """As the first 200 had it."""
    accepted: int = 0
    """Tries answered 202."""
    unheard: int = 0
    """Tries without either: no answer, or 503. They may have happened."""
    not_found: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A record that Kafka has acknowledged."""

    mark: str
    fingerprint: bytes


@dataclass(slots=True)
class Ledger:
    """Everything that was acknowledged; grows with the load, some hundred bytes an award."""

    calls: dict[Pair, Calls] = field(default_factory=dict)
    acknowledged: dict[Place, Acknowledged] = field(default_factory=dict)
    bad: dict[str, RejectionReason] = field(default_factory=dict)
    """Mark -> why the record can never succeed."""
    counts: Counter[str] = field(default_factory=Counter)
    oddities: list[str] = field(default_factory=list)
    """Answers that should never be given, the first of them."""

    def calls_for(self, pair: Pair) -> Calls:
        """The calls of a pair, to be added to."""
        return self.calls.setdefault(pair, Calls())

    def note_oddity(self, text: str) -> None:
        """Count an answer that should never be given."""
        self.counts["odd answers"] += 1
        if len(self.oddities) < MOST_ODDITIES:
            self.oddities.append(text)


def fingerprint(key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    """Tell one record from another by all its bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (key, value, *(part for name, content in headers for part in (name.encode(), content))):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.digest()

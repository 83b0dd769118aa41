"""What an import has come to so far: counts, and no rows but the first invalid ones."""

from collections import Counter
from dataclasses import dataclass, field

from badgectl.import_rows import ImportRow, InvalidRow
from domain.awards import RejectionReason

SHOWN_INVALID = 5


@dataclass(slots=True)
class BadgeTally:
    """What became of the rows of one badge."""

    name: str
    awarded: int = 0
    already_earned: int = 0
    rejected: int = 0
    skipped: int = 0


@dataclass(slots=True)
class Tally:
    """The counts of one import, or of its rehearsal."""

    rows: int = 0
    published: int = 0
    awarded: int = 0
    already_earned: int = 0
    invalid: int = 0
    skipped: int = 0
    """Valid rows left out on request: their badges cannot be awarded."""

    rejected: Counter[RejectionReason] = field(default_factory=Counter)
    badges: dict[str, BadgeTally] = field(default_factory=dict)
    first_invalid: list[InvalidRow] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    stopped: str | None = None
    """Why the import ended before the file did, or before its answers came."""

    @property
    def settled(self) -> int:
        """How many requests have their outcome."""
        return self.awarded + self.already_earned + self.rejected.total()

    @property
    def not_published(self) -> int:
        """How many valid rows Kafka is not known to have."""
        return self.rows - self.invalid - self.skipped - self.published

    @property
    def not_answered(self) -> int:
        """How many published requests have no outcome yet; none in a rehearsal, which publishes nothing."""
        return max(0, self.published - self.settled)

    @property
    def is_complete(self) -> bool:
        """Whether nothing stopped the import, and the outcome of every published row is known."""
        return self.stopped is None and self.not_answered == 0

    def count_row(self, row: ImportRow) -> None:
        """Count a row that will be asked for."""
        self.rows += 1
        if row.badge_code not in self.badges:
            self.badges[row.badge_code] = BadgeTally(row.badge_name)

    def count_invalid(self, row: InvalidRow) -> None:
        """Count a row that cannot be asked for."""
        self.rows += 1
        self.invalid += 1
        if len(self.first_invalid) < SHOWN_INVALID:
            self.first_invalid.append(row)

    def count_skipped(self, code: str, times: int = 1) -> None:
        """Count rows that are left out."""
        self.skipped += times
        self.badges[code].skipped += times

    def count_awarded(self, code: str, times: int = 1) -> None:
        """Count awards made."""
        self.awarded += times
        self.badges[code].awarded += times

    def count_already_earned(self, code: str, times: int = 1) -> None:
        """Count awards that were there."""
        self.already_earned += times
        self.badges[code].already_earned += times

    def count_rejected(self, code: str, reason: RejectionReason, times: int = 1) -> None:
        """Count requests that can never succeed."""
        self.rejected[reason] += times
        self.badges[code].rejected += times

"""Why a participant has a badge, or has it not: everything that is known of the pair, and what it means."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from uuid import UUID

from domain.badges import Badge
from domain.request_sources import is_of_a_gateway, key_of_source
from domain.tenants import Tenant

MOST_CLOSE_CODES = 5
LEAST_LIKENESS = 0.6
"""Of 1; difflib's own measure for what people take for a slip."""


class ExplanationStatus(StrEnum):
    """What became of the pair."""

    AWARDED = "awarded"
    REJECTED = "rejected"
    NEVER_SEEN = "never_seen"


class Way(StrEnum):
    """How a request came into the log, as its source says."""

    HTTP = "http"
    KAFKA = "kafka"


class EventState(StrEnum):
    """Where the event of an award is: `emitted` once the batch it was made with is no longer in the outbox."""

    EMITTED = "emitted"
    BEING_PUBLISHED = "being_published"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlace:
    """Where a request stands in the log."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedAward:
    """The award, the request that earned it, and its event.

    `source` is what the request said of itself. `place` is None for awards of before places were kept,
    `key_name` where the source names no key of the tenant.
    """

    earned_at: datetime
    recorded_at: datetime
    request_id: str
    source: str
    key_name: str | None
    place: RecordPlace | None
    event_id: UUID
    event: EventState

    @property
    def key_id(self) -> UUID | None:
        """The API key that the request came with, as its source says."""
        return key_of_source(self.source)

    @property
    def came_over(self) -> Way:
        """Whether a gateway published the request, or somebody else did."""
        return Way.HTTP if is_of_a_gateway(self.source) else Way.KAFKA


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRejection:
    """A request for the pair that was dead-lettered. `reason` is a `RejectionReason`, or one of a newer release."""

    reason: str
    detail: str
    request_id: str | None
    place: RecordPlace
    rejected_at: datetime
    redriven_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsWaiting:
    """How many requests, of all tenants, the log holds that no worker has done yet, at most.

    Markers of transactions count too. `partition` is where requests with the participant's key stand; so many of
    those that can be read have that key: `of_participant`, None where there are too many to look through.
    """

    total: int
    partition: int
    in_partition: int
    of_participant: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that is known of a participant and a badge code.

    `tenant` is None when no tenant has the id, `badge` when the tenant has no such code; `close_codes` are then
    the tenant's that look like it, likest first. `rejections` are the newest; `has_more_rejections` tells of others.
    `waiting` is None where it was not asked, or Kafka could not tell.
    """

    tenant_id: UUID
    tenant: Tenant | None
    participant_id: str
    badge_code: str
    badge: Badge | None
    award: ExplainedAward | None
    rejections: Sequence[ExplainedRejection]
    has_more_rejections: bool
    waiting: RequestsWaiting | None = None
    close_codes: Sequence[str] = ()

    @property
    def status(self) -> ExplanationStatus:
        """Awarded, whatever else was rejected; else rejected, if anything was."""
        if self.award is not None:
            return ExplanationStatus.AWARDED
        return ExplanationStatus.REJECTED if self.rejections else ExplanationStatus.NEVER_SEEN


async def explain(
    look: Callable[[], Awaitable[Explanation]],
    count_waiting: Callable[[], Awaitable[RequestsWaiting | None]],
    find_similar: Callable[[], Awaitable[Sequence[str]]],
) -> Explanation:
    """Look the pair up; where there is no award, count what waits in the log, and look again.

    In this order nothing falls through: a request that is not among those waiting was decided before they were
    counted, and the second look sees it. Codes that look like an unknown one are asked for once, in the end.
    """
    found = await look()
    if found.award is None:
        waiting = await count_waiting()
        found = replace(await look(), waiting=waiting)
    if found.badge is None:
        found = replace(found, close_codes=close_codes(found.badge_code, await find_similar()))
    return found


def close_codes(wanted: str, codes: Iterable[str]) -> Sequence[str]:
    """Those of `codes` that somebody who wrote `wanted` may have meant, likest first.

    Takes half a millisecond a code when they are long and much alike.
    """
    by_folded: dict[str, list[str]] = {}
    for code in codes:
        by_folded.setdefault(code.casefold(), []).append(code)
    folded = get_close_matches(wanted.casefold(), by_folded, n=MOST_CLOSE_CODES, cutoff=LEAST_LIKENESS)
    return [code for each in folded for code in by_folded[each]][:MOST_CLOSE_CODES]

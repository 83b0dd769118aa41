"""One batch of requests, one database transaction: awards, rejections, and what to tell of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from award_worker.brake import Brake
from award_worker.failures import Action, action_for
from domain.awards import (
    DETAIL_LENGTH,
    Answer,
    Award,
    Awarded,
    AwardKey,
    AwardRequest,
    LogPosition,
    Outcome,
    ReceivedRequest,
    Rejected,
    RejectionReason,
    RequestRejectedError,
    is_already_earned,
)
from domain.badges import Badge
from domain.errors import BadgeNotFoundError
from domain.ports import Announcements, AwardTransaction, Definition, Ledger
from domain.times import Clock


class Decision(NamedTuple):
    """What became of one request. `is_new`: it happened now, so the world is to be told."""

    received: ReceivedRequest
    outcome: Outcome
    is_new: bool


class _Candidate(NamedTuple):
    """A well-formed request, with what its badge code stands for, and the award it asks for if there is one."""

    received: ReceivedRequest
    request: AwardRequest
    badge: Badge | None
    key: AwardKey | None
    obstacle: Rejected | None


class AwardHandler:
    """Decides batches. The decisions stand when `handle` returns, and only then."""

    def __init__(self, *, ledger: Ledger, announcements: Announcements, brake: Brake, clock: Clock) -> None:
        self._ledger = ledger
        self._announcements = announcements
        self._brake = brake
        self._clock = clock

    async def handle(self, batch: Sequence[ReceivedRequest]) -> Sequence[Decision]:
        """Decide the batch in one transaction. Safe to repeat: nothing is done twice.

        Raises:
            StorageError, BrakeHeldError: nothing was done.
        """
        decisions = await self._decide_and_record(batch)
        self._brake.note(_rejections(decisions))
        return decisions

    async def _decide_and_record(self, batch: Sequence[ReceivedRequest]) -> Sequence[Decision]:
        """If Postgres refuses the data, what it refuses is found by halving the batch."""
        try:
            async with self._ledger.transaction() as transaction:
                decisions = await _decide(transaction, batch)
                return await self._record(transaction, decisions)
        except Exception as error:
            if action_for(error) is not Action.ISOLATE:
                raise
        async with self._ledger.transaction() as transaction:
            decisions = await _decide_by_halves(transaction, batch)
            return await self._record(transaction, decisions)

    async def _record(self, transaction: AwardTransaction, decisions: Sequence[Decision]) -> Sequence[Decision]:
        """Write what is new to tell into the outbox, dead letters only where not written before."""
        self._brake.admit(_rejections(decisions))
        rejections = [
            (decision.received, decision.outcome)
            for decision in decisions
            if decision.is_new and isinstance(decision.outcome, Rejected)
        ]
        recorded: set[LogPosition] = set()
        if rejections:
            recorded = await transaction.insert_rejections(rejections)
        messages = [self._message(d) for d in decisions if d.is_new and _is_told(d, recorded)]
        if messages:
            await transaction.enqueue(messages)
        return decisions

    def _message(self, decision: Decision) -> bytes:
        outcome = decision.outcome
        if isinstance(outcome, Awarded):
            return self._announcements.badge_awarded(outcome.award, outcome.badge, decision.received.trace)
        return self._announcements.dead_letter(decision.received.record, outcome, self._clock())


def _rejections(decisions: Sequence[Decision]) -> Sequence[bool]:
    """Whether each request was rejected now; what was rejected before tells nothing of today."""
    return [isinstance(d.outcome, Rejected) for d in decisions if d.is_new or isinstance(d.outcome, Awarded)]


def answers(decisions: Sequence[Decision]) -> Sequence[Answer]:
    """What to tell those who wait."""
    return [
        Answer(reply_to=decision.received.reply_to, outcome=decision.outcome)
        for decision in decisions
        if decision.received.reply_to is not None
    ]


async def _decide_by_halves(transaction: AwardTransaction, batch: Sequence[ReceivedRequest]) -> Sequence[Decision]:
    """Decide what Postgres accepts; what it refuses alone is rejected."""
    try:
        async with transaction.savepoint():
            return await _decide(transaction, batch)
    except Exception as error:
        if action_for(error) is not Action.ISOLATE:
            raise
        if len(batch) == 1:
            refused = Rejected(reason=RejectionReason.SCHEMA_VIOLATION, detail=str(error)[:DETAIL_LENGTH])
            return [Decision(received=batch[0], outcome=refused, is_new=True)]
    middle = len(batch) // 2
    first = await _decide_by_halves(transaction, batch[:middle])
    return [*first, *await _decide_by_halves(transaction, batch[middle:])]


async def _decide(transaction: AwardTransaction, batch: Sequence[ReceivedRequest]) -> Sequence[Decision]:
    """Decide each request, in order. The first request for an award is the one that earns it."""
    before = await transaction.find_rejections(received.record.position for received in batch)
    fresh = [received for received in batch if received.record.position not in before]
    candidates = await _candidates(transaction, fresh)
    earners: dict[AwardKey, _Candidate] = {}
    for candidate in candidates.values():
        if candidate.key is not None and candidate.obstacle is None:
            earners.setdefault(candidate.key, candidate)
    awards = {key: _award(earner.request, key) for key, earner in earners.items()}
    earned = [(awards[key], earner.received.record.position) for key, earner in earners.items()]
    new = await transaction.insert_awards(earned) if earned else set()
    old = {c.key for c in candidates.values() if c.key is not None and c.key not in new}
    known = {key: awards[key] for key in new}
    if old:
        known |= await transaction.find_awards(old)
    new_positions = {earners[key].received.record.position for key in new}
    return [
        _repeated(received, before[received.record.position])
        if received.record.position in before
        else _decision(received, candidates.get(received.record.position), known, new_positions)
        for received in batch
    ]


async def _candidates(
    transaction: AwardTransaction, fresh: Sequence[ReceivedRequest]
) -> Mapping[LogPosition, _Candidate]:
    requests = [(r, r.content) for r in fresh if isinstance(r.content, AwardRequest)]
    if not requests:
        return {}
    definitions = await transaction.find_definitions((request.tenant_id, request.badge_code) for _, request in requests)
    return {received.record.position: _candidate(received, request, definitions) for received, request in requests}


def _candidate(
    received: ReceivedRequest,
    request: AwardRequest,
    definitions: Mapping[tuple[UUID, str], Definition],
) -> _Candidate:
    definition = definitions.get((request.tenant_id, request.badge_code))
    badge = definition.badge if definition else None
    return _Candidate(
        received=received,
        request=request,
        badge=badge,
        key=(request.tenant_id, request.participant_id, badge.id) if badge else None,
        obstacle=_obstacle(request, definition),
    )


def _obstacle(request: AwardRequest, definition: Definition | None) -> Rejected | None:
    """Why the request cannot be fulfilled now; None when it can."""
    if definition is None:
        detail = f"Tenant {request.tenant_id} not found"
        return Rejected(reason=RejectionReason.UNKNOWN_TENANT, detail=detail)
    if not definition.tenant_is_enabled:
        detail = f"Tenant {request.tenant_id} is disabled"
        return Rejected(reason=RejectionReason.TENANT_DISABLED, detail=detail)
    if definition.badge is None or not definition.badge.is_active:
        detail = str(BadgeNotFoundError(request.badge_code))
        return Rejected(reason=RejectionReason.BADGE_NOT_FOUND, detail=detail)
    return None


def _repeated(received: ReceivedRequest, rejected: Rejected) -> Decision:
    """A request rejected before stays rejected, even if its badge was made since.

    Its dead letter is out: it must not be awarded too when its record is delivered again.
    """
    return Decision(received=received, outcome=rejected, is_new=False)


def _decision(
    received: ReceivedRequest,
    candidate: _Candidate | None,
    known: Mapping[AwardKey, Award],
    new_positions: set[LogPosition],
) -> Decision:
    if isinstance(received.content, RequestRejectedError) or candidate is None:
        return _rejection_of(received)
    award = known.get(candidate.key) if candidate.key else None
    # A request that earned its award keeps it when it is delivered again, even if the badge was
    # deactivated or the tenant disabled since.
    is_own = award is not None and not is_already_earned(award, candidate.request.request_id)
    if candidate.obstacle is not None and not is_own:
        return Decision(received=received, outcome=candidate.obstacle, is_new=True)
    if award is None or candidate.badge is None:
        raise RuntimeError(f"the award of {received.record.position} is neither new nor there")
    outcome = Awarded(award=award, badge=candidate.badge, already_earned=not is_own)
    is_new = received.record.position in new_positions
    return Decision(received=received, outcome=outcome, is_new=is_new)


def _rejection_of(received: ReceivedRequest) -> Decision:
    if not isinstance(received.content, RequestRejectedError):
        raise TypeError("a valid request has to be decided, not rejected unseen")
    rejected = Rejected(reason=received.content.reason, detail=received.content.detail)
    return Decision(received=received, outcome=rejected, is_new=True)


def _award(request: AwardRequest, key: AwardKey) -> Award:
    tenant_id, participant_id, badge_id = key
    return Award(
        tenant_id=tenant_id,
        participant_id=participant_id,
        badge_id=badge_id,
        earned_at=request.earned_at,
        metadata=request.metadata,
        request_id=request.request_id,
        source=request.source,
    )


def _is_told(decision: Decision, recorded: set[LogPosition]) -> bool:
    """Whether the outcome makes a message: of rejections, only those not recorded before."""
    return isinstance(decision.outcome, Awarded) or decision.received.record.position in recorded

"""Publishes a request and awaits its outcome: the call that becomes a message and an answer."""

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from cachetools import LRUCache

from api.problems import ProblemError, award_pending, invalid, unavailable
from domain.awards import AwardRequest, RejectionReason, ReplyAddress, is_already_earned
from domain.badges import EarnedBadge
from domain.errors import BadgeNotFoundError, ForbiddenError, StorageUnavailableError
from messaging.award_outcomes import AwardedAnswer, RejectedAnswer
from messaging.award_requested import encode_request
from messaging.outcome_reader import OutcomeReader, TooManyWaitingError
from messaging.topics import Topics
from storage.database import Database
from storage.participants import find_earned_badge

ANSWER_SECONDS = 4.0
READ_BACK_SECONDS = 1.0
REMEMBERED = 20_000
"""Awards that this gateway has told of lately. It is only a hint where to look first: what it says is in Postgres."""

log = structlog.get_logger()


class AwardCalls:
    """The gateway's side of request and reply over Kafka."""

    def __init__(
        self,
        *,
        producer: AIOKafkaProducer,
        reader: OutcomeReader,
        database: Database,
        topics: Topics,
    ) -> None:
        self._producer = producer
        self._reader = reader
        self._database = database
        self._topic = topics.award_requests
        self._earned: LRUCache[tuple[UUID, str, str], bool] = LRUCache(REMEMBERED)

    async def award(self, request: AwardRequest) -> AwardedAnswer:
        """Return what became of the request, within 5 s: of one seen before from Postgres, else published and awaited.

        Raises:
            BadgeNotFoundError: the worker found no active badge.
            ProblemError: 503 `unavailable` (not known to be published) or `award_pending`.
        """
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        award = (request.tenant_id, request.participant_id, request.badge_code)
        if self._earned.get(award):  # unlike `in`, keeps those that are asked for often
            with suppress(StorageUnavailableError, TimeoutError):
                found = await self._found(request)
                if found is not None and found.is_active:
                    return _answer_of(found, request)
        answer = await self._asked(request, deadline)
        self._earned[award] = True
        return answer

    async def _asked(self, request: AwardRequest, deadline: float) -> AwardedAnswer:
        try:
            with self._reader.expect(request.request_id) as (reply_to, answer):
                await self._publish(request, reply_to, deadline)
                try:
                    async with asyncio.timeout_at(deadline):
                        return _accepted(await answer, request)
                except TimeoutError:
                    log.warning("award.answer_late", request_id=request.request_id)
        except TooManyWaitingError as error:
            raise unavailable("The award service") from error
        return await self._read_back(request)

    async def publish(self, request: AwardRequest) -> None:
        """Publish, and return once Kafka has acknowledged it.

        Raises:
            ProblemError: 503 `unavailable`.
        """
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        await self._publish(request, None, deadline)

    async def _publish(self, request: AwardRequest, reply_to: ReplyAddress | None, deadline: float) -> None:
        key, value, headers = encode_request(request, reply_to)
        try:
            async with asyncio.timeout_at(deadline):
                await self._producer.send_and_wait(self._topic, value=value, key=key, headers=headers)
        except (KafkaError, TimeoutError) as error:
            log.warning("award.not_acknowledged", request_id=request.request_id, error=repr(error))
            raise unavailable("Kafka") from error

    async def _read_back(self, request: AwardRequest) -> AwardedAnswer:
        """The answer may have been lost: see whether the award is there."""
        try:
            found = await self._found(request)
        except (StorageUnavailableError, TimeoutError) as error:
            raise award_pending() from error
        if found is None:
            raise award_pending()
        return _answer_of(found, request)

    async def _found(self, request: AwardRequest) -> EarnedBadge | None:
        async with asyncio.timeout(READ_BACK_SECONDS):
            return await find_earned_badge(
                self._database.fetch,
                tenant_id=request.tenant_id,
                participant_id=request.participant_id,
                badge_code=request.badge_code,
            )


def _answer_of(found: EarnedBadge, request: AwardRequest) -> AwardedAnswer:
    return AwardedAnswer(
        badge_name=found.name,
        icon=found.icon_url,
        rarity=found.rarity,
        earned_at=found.earned_at,
        already_earned=is_already_earned(found, request.request_id),
    )


def _accepted(answer: AwardedAnswer | RejectedAnswer, request: AwardRequest) -> AwardedAnswer:
    if isinstance(answer, AwardedAnswer):
        return answer
    match answer.reason:
        case RejectionReason.BADGE_NOT_FOUND:
            raise BadgeNotFoundError(request.badge_code)
        case RejectionReason.TENANT_DISABLED | RejectionReason.UNKNOWN_TENANT:
            raise ForbiddenError("The tenant is disabled")
        case _:
            raise _not_acceptable(answer)


def _not_acceptable(answer: RejectedAnswer) -> ProblemError:
    """What the gateway let through and the worker did not: a defect, but the caller's request."""
    log.error("award.rejected_late", reason=answer.reason.value)  # the detail may quote the caller
    return invalid("body", f"was not accepted: {answer.detail}", kind=answer.reason.value)

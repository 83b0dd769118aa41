"""The requests of an import whose outcome is not known yet."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from badgectl.import_rows import ImportRow
from badgectl.import_tally import Tally
from badgectl.ordered_publisher import OutgoingRecord
from domain.awards import AwardRequest
from messaging.award_outcomes import AwardedAnswer, RejectedAnswer
from messaging.award_requested import encode_request
from messaging.outcome_reader import OutcomeReader
from storage.imports import AskedOutcome, KnownOutcome

SOURCE = "/badgectl/import"
WINDOW = 8000
"""So many requests wait for their outcome, at most."""

STALL_SECONDS = 60.0

_LOOK_SECONDS = 1.0


class StalledError(Exception):
    """Nothing has moved for so long that waiting on is no use."""


@dataclass(slots=True, eq=False)
class RequestUnderWay:
    """A published request; `published_at` (loop time) is None until Kafka has it."""

    request_id: str
    participant_id: str
    badge_code: str
    published_at: float | None = None


class RequestsUnderWay:
    """Registers requests, settles them, and bounds how many there are."""

    def __init__(
        self,
        *,
        tenant_id: UUID,
        run_id: str,
        reader: OutcomeReader,
        tally: Tally,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """Call it in the running loop. `reader` takes `WINDOW` waiting; `run_id` is unique for ever."""
        self._tenant_id = tenant_id
        self._run_id = run_id
        self._reader = reader
        self._tally = tally
        self._stall_seconds = stall_seconds
        self._waiting: dict[str, RequestUnderWay] = {}
        self._moved = asyncio.Event()
        self._time = asyncio.get_running_loop().time
        self._moved_at = self._time()

    def begin(self, row: ImportRow, *, earned_at: datetime) -> OutgoingRecord[RequestUnderWay]:
        """Register a request for the row, and return the record that makes it.

        Each has an id of its own: where the award is there already, this is another request for it.
        """
        request = AwardRequest(
            tenant_id=self._tenant_id,
            participant_id=row.participant_id,
            badge_code=row.badge_code,
            metadata=row.metadata,
            earned_at=earned_at,
            request_id=f"{self._run_id}-{row.number}",
            source=SOURCE,
        )
        reply_to, answer = self._reader.register(request.request_id)
        under_way = RequestUnderWay(request.request_id, row.participant_id, row.badge_code)
        self._waiting[under_way.request_id] = under_way
        answer.add_done_callback(partial(self._answered, under_way))
        key, value, headers = encode_request(request, reply_to)
        return OutgoingRecord(key, value, headers, under_way)

    def published(self, requests: Sequence[RequestUnderWay]) -> None:
        """Note that Kafka has these requests."""
        for request in requests:
            self._note_published(request)
        self._move()

    async def room(self, count: int) -> None:
        """Return when `count` more may begin.

        Raises:
            StalledError: too long without any outcome.
        """
        await self._until(lambda: len(self._waiting) + count <= WINDOW)

    async def settled(self) -> None:
        """Return when nothing is under way any more.

        Raises:
            StalledError: too long without any outcome.
        """
        await self._until(lambda: not self._waiting)

    def late(self, seconds: float) -> Sequence[AskedOutcome]:
        """Return the requests published `seconds` ago and not answered."""
        before = self._time() - seconds
        return [
            AskedOutcome(
                request_id=request.request_id,
                participant_id=request.participant_id,
                badge_code=request.badge_code,
            )
            for request in self._waiting.values()
            if request.published_at is not None and request.published_at <= before
        ]

    def learn(self, request_id: str, outcome: KnownOutcome) -> None:
        """Settle a request by what Postgres shows."""
        request = self._waiting.get(request_id)
        if request is None:
            return
        if outcome.rejection is not None:
            self._tally.count_rejected(request.badge_code, outcome.rejection)
        elif outcome.already_earned:
            self._tally.count_already_earned(request.badge_code)
        else:
            self._tally.count_awarded(request.badge_code)
        self._forget(request)

    def _answered(self, request: RequestUnderWay, answer: asyncio.Future[AwardedAnswer | RejectedAnswer]) -> None:
        if answer.cancelled() or request.request_id not in self._waiting:
            return
        outcome = answer.result()
        if isinstance(outcome, RejectedAnswer):
            self._tally.count_rejected(request.badge_code, outcome.reason)
        elif outcome.already_earned:
            self._tally.count_already_earned(request.badge_code)
        else:
            self._tally.count_awarded(request.badge_code)
        self._forget(request)

    def _forget(self, request: RequestUnderWay) -> None:
        del self._waiting[request.request_id]
        self._reader.forget(request.request_id)
        self._note_published(request)  # the answer may come before the acknowledgement
        self._move()

    def _note_published(self, request: RequestUnderWay) -> None:
        if request.published_at is None:
            request.published_at = self._time()
            self._tally.published += 1

    def _move(self) -> None:
        self._moved_at = self._time()
        self._moved.set()

    async def _until(self, is_reached: Callable[[], bool]) -> None:
        while not is_reached():
            if self._time() - self._moved_at > self._stall_seconds:
                raise StalledError
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._moved.wait()

"""The client for programs on asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Self, Unpack
from uuid import UUID

import httpx

from badges_client import calls
from badges_client.address import TIMEOUT_SECONDS, http_options
from badges_client.calls import Call, Result
from badges_client.errors import BadgesError
from badges_client.fields import BadgeChanges, BadgeOptions
from badges_client.results import AcceptedAward, Award, BadgeDefinition, BadgePage, Explanation, ParticipantBadges
from badges_client.retries import Attempts, Retries


class AsyncBadgesClient:
    """As `BadgesClient`, method for method, for the tasks of one event loop; `aclose` it, or `async with`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(**http_options(url, key), transport=transport)
        self._timeout = timeout
        self._retries = retries or Retries()
        self._sleep = sleep

    async def award(self, participant_id: str, badge_code: str, metadata: Mapping[str, object] | None = None) -> Award:
        """Award a badge; once it returns, the award is committed. Repeating is safe."""
        return await self._perform(calls.award(participant_id, badge_code, metadata))

    async def request_award(
        self, participant_id: str, badge_code: str, metadata: Mapping[str, object] | None = None
    ) -> AcceptedAward:
        """Ask for an award without waiting for it; once it returns, the badge will be awarded."""
        return await self._perform(calls.request_award(participant_id, badge_code, metadata))

    async def participant_badges(
        self, participant_id: str, *, earned_only: bool = False, badge_codes: Iterable[str] | None = None
    ) -> ParticipantBadges:
        """List a participant's badges; with `badge_codes` (100 at most) only those."""
        call = calls.participant_badges(participant_id, earned_only=earned_only, badge_codes=badge_codes)
        return await self._perform(call)

    async def list_badges(
        self, *, category: str | None = None, is_active: bool | None = None, page: int = 1, page_size: int = 50
    ) -> BadgePage:
        """Return one page of definitions, hidden and inactive ones too. Admin scope, as all below."""
        return await self._perform(
            calls.list_badges(category=category, is_active=is_active, page=page, page_size=page_size)
        )

    async def all_badges(
        self, *, category: str | None = None, is_active: bool | None = None
    ) -> AsyncIterator[BadgeDefinition]:
        """Go through all pages; what is created or moved meanwhile may be missed or come twice."""
        number: int | None = 1
        while number is not None:
            page = await self.list_badges(category=category, is_active=is_active, page=number, page_size=100)
            for badge in page.items:
                yield badge
            number = page.next_page

    async def create_badge(self, code: str, name: str, **options: Unpack[BadgeOptions]) -> BadgeDefinition:
        """Define a badge. Not tried again once it may have arrived: see `docs/client.md`."""
        return await self._perform(calls.create_badge(code, name, options))

    async def get_badge(self, badge_id: UUID) -> BadgeDefinition:
        """Return one definition, active or not."""
        return await self._perform(calls.get_badge(badge_id))

    async def update_badge(self, badge_id: UUID, **changes: Unpack[BadgeChanges]) -> BadgeDefinition:
        """Change what is given; None clears an optional field."""
        return await self._perform(calls.update_badge(badge_id, changes))

    async def deactivate_badge(self, badge_id: UUID) -> None:
        """Stop a badge from being awarded; awards are kept. Twice is as good as once."""
        await self._perform(calls.deactivate_badge(badge_id))

    async def explain(self, participant_id: str, badge_code: str) -> Explanation:
        """Say why a participant has a badge, or has it not; no participant and no code is an error."""
        return await self._perform(calls.explain(participant_id, badge_code))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Use it until the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()

    def __repr__(self) -> str:
        """The address, without the key."""
        return f"{type(self).__name__}({str(self._http.base_url)!r})"

    async def _perform(self, call: Call[Result]) -> Result:
        attempts = Attempts(call, self._retries, self._timeout)
        while True:
            try:
                return attempts.result(await self._http.send(attempts.request(self._http)))
            except (httpx.RequestError, httpx.InvalidURL, BadgesError) as error:
                pause = attempts.pause_after(error)
            await self._sleep(pause)

"""The client for programs that block."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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


class BadgesClient:
    """Speaks to a gateway over connections that it keeps; close it, or use it in `with`.

    Safe to share between threads. `timeout` is in seconds, for connecting and for each wait of one
    try; `retries` says how often there is another. `transport` replaces httpx's own.
    Every method raises `BadgesError`.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._http = httpx.Client(**http_options(url, key), transport=transport)
        self._timeout = timeout
        self._retries = retries or Retries()
        self._sleep = sleep

    def award(self, participant_id: str, badge_code: str, metadata: Mapping[str, object] | None = None) -> Award:
        """Award a badge; once it returns, the award is committed. Repeating is safe."""
        return self._perform(calls.award(participant_id, badge_code, metadata))

    def request_award(
        self, participant_id: str, badge_code: str, metadata: Mapping[str, object] | None = None
    ) -> AcceptedAward:
        """Ask for an award without waiting for it; once it returns, the badge will be awarded."""
        return self._perform(calls.request_award(participant_id, badge_code, metadata))

    def participant_badges(
        self, participant_id: str, *, earned_only: bool = False, badge_codes: Iterable[str] | None = None
    ) -> ParticipantBadges:
        """List a participant's badges; with `badge_codes` (100 at most) only those."""
        call = calls.participant_badges(participant_id, earned_only=earned_only, badge_codes=badge_codes)
        return self._perform(call)

    def list_badges(
        self, *, category: str | None = None, is_active: bool | None = None, page: int = 1, page_size: int = 50
    ) -> BadgePage:
        """Return one page of definitions, hidden and inactive ones too. Admin scope, as all below."""
        return self._perform(calls.list_badges(category=category, is_active=is_active, page=page, page_size=page_size))

    def all_badges(self, *, category: str | None = None, is_active: bool | None = None) -> Iterator[BadgeDefinition]:
        """Go through all pages; what is created or moved meanwhile may be missed or come twice."""
        number: int | None = 1
        while number is not None:
            page = self.list_badges(category=category, is_active=is_active, page=number, page_size=100)
            yield from page.items
            number = page.next_page

    def create_badge(self, code: str, name: str, **options: Unpack[BadgeOptions]) -> BadgeDefinition:
        """Define a badge. Not tried again once it may have arrived: see `docs/client.md`."""
        return self._perform(calls.create_badge(code, name, options))

    def get_badge(self, badge_id: UUID) -> BadgeDefinition:
        """Return one definition, active or not."""
        return self._perform(calls.get_badge(badge_id))

    def update_badge(self, badge_id: UUID, **changes: Unpack[BadgeChanges]) -> BadgeDefinition:
        """Change what is given; None clears an optional field."""
        return self._perform(calls.update_badge(badge_id, changes))

    def deactivate_badge(self, badge_id: UUID) -> None:
        """Stop a badge from being awarded; awards are kept. Twice is as good as once."""
        self._perform(calls.deactivate_badge(badge_id))

    def explain(self, participant_id: str, badge_code: str) -> Explanation:
        """Say why a participant has a badge, or has it not; no participant and no code is an error."""
        return self._perform(calls.explain(participant_id, badge_code))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Use it until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def __repr__(self) -> str:
        """The address, without the key."""
        return f"{type(self).__name__}({str(self._http.base_url)!r})"

    def _perform(self, call: Call[Result]) -> Result:
        attempts = Attempts(call, self._retries, self._timeout)
        while True:
            try:
                return attempts.result(self._http.send(attempts.request(self._http)))
            except (httpx.RequestError, httpx.InvalidURL, BadgesError) as error:
                pause = attempts.pause_after(error)
            self._sleep(pause)

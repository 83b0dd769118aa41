"""The cap on award calls per participant, by the `limits` library, in this process."""

import math
import time
from collections import deque
from collections.abc import Mapping
from http import HTTPStatus

from cachetools import TTLCache
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from api.problems import ProblemError
from domain.tenants import Principal

MOST_PARTICIPANTS = 100_000
"""Counted at once in one process; beyond that the longest unseen are forgotten."""

WINDOW_SECONDS = 60


class RecentCalls(MemoryStorage):
    """The moving windows of `limits`, bounded, and without its clean-up.

    That clean-up visits every participant on every call, each in a thread of its own: measured
    with 8,000 participants, an award took 14 ms of processor time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: TTLCache[str, deque[float]] = TTLCache(MOST_PARTICIPANTS, WINDOW_SECONDS, timer=time.time)

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` calls now, unless they would be more than `limit` in `expiry` seconds."""
        calls = self._recent(key, expiry)
        if len(calls) + amount > limit:
            return False
        calls.extend([time.time()] * amount)
        self._calls[key] = calls
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - the base's signature
        """Return when the oldest call in the window was, and how many there are."""
        calls = self._recent(key, expiry)
        return (calls[0] if calls else time.time(), len(calls))

    def _recent(self, key: str, expiry: int) -> deque[float]:
        calls = self._calls.get(key) or deque()
        while calls and calls[0] <= time.time() - expiry:
            calls.popleft()
        return calls


class AwardRateLimit:
    """So many award calls for one participant in any minute."""

    def __init__(self, calls_per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(calls_per_minute)
        self._limiter = MovingWindowRateLimiter(RecentCalls())

    async def count(self, principal: Principal, participant_id: str) -> tuple[bool, Mapping[str, str]]:
        """Count one call; return whether it may go on, and the headers that tell of the cap.

        `X-RateLimit-Reset` is the Unix time, in whole seconds, at which a call is free again.
        """
        identifiers = (str(principal.tenant_id), participant_id)
        allowed = await self._limiter.hit(self._limit, *identifiers)
        window = await self._limiter.get_window_stats(self._limit, *identifiers)
        return allowed, {
            "X-RateLimit-Limit": str(self._limit.amount),
            "X-RateLimit-Remaining": str(window.remaining),
            "X-RateLimit-Reset": str(math.ceil(window.reset_time)),
        }


def too_many_awards(headers: Mapping[str, str]) -> ProblemError:
    """429, with the seconds until a call is free."""
    wait = int(headers["X-RateLimit-Reset"]) - int(time.time())
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "RATE_LIMIT_PARTICIPANT_EXCEEDED",
        f"More than {headers['X-RateLimit-Limit']} award calls in a minute for this participant",
        retry_after=max(1, wait),
    )

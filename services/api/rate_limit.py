"""The cap on award calls per participant, by the `limits` library: in this process, or in Redis."""

import asyncio
import math
import time
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass

import structlog
from cachetools import TTLCache
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from api.metrics import ApiMetrics
from api.problems import unavailable
from domain.tenants import Principal

MOST_PARTICIPANTS = 100_000
"""Counted at once in one process; beyond that the longest unseen are forgotten."""

WINDOW_SECONDS = 60
STORE_SECONDS = 0.5

log = structlog.get_logger()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCount:
    """One call counted: whether it may go on, and what is left. `reset_time` is Unix time, in seconds."""

    is_allowed: bool
    limit: int
    remaining: int
    reset_time: float

    @property
    def wait_seconds(self) -> int:
        """Until a call is free."""
        return math.ceil(self.reset_time - time.time())

    @property
    def headers(self) -> dict[str, str]:
        """Tell of the cap; `X-RateLimit-Reset` is the Unix time at which a call is free again."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(self.reset_time)),
        }


class AwardRateLimit:
    """So many award calls for one participant in any minute."""

    def __init__(
        self, calls_per_minute: int, *, redis_url: str | None, refuses_when_unknown: bool, metrics: ApiMetrics
    ) -> None:
        """Count in Redis, for all gateways that name the same one, or in this process."""
        self._limit = RateLimitItemPerMinute(calls_per_minute)
        self._limiter = MovingWindowRateLimiter(_redis(redis_url) if redis_url else RecentCalls())
        self._waits = redis_url is not None
        self._refuses_when_unknown = refuses_when_unknown
        self._metrics = metrics

    async def count(self, principal: Principal, participant_id: str) -> CallCount:
        """Count one call.

        Raises:
            ProblemError: 503, where Redis cannot be reached and the settings say to refuse.
        """
        identifiers = (str(principal.tenant_id), participant_id)
        limit = self._limit.amount
        try:
            async with asyncio.timeout(STORE_SECONDS) if self._waits else nullcontext():
                allowed = await self._limiter.hit(self._limit, *identifiers)
                window = await self._limiter.get_window_stats(self._limit, *identifiers)
        except (StorageError, TimeoutError) as error:
            self._note_unknown(error)
            return CallCount(is_allowed=True, limit=limit, remaining=limit, reset_time=time.time() + WINDOW_SECONDS)
        return CallCount(is_allowed=allowed, limit=limit, remaining=window.remaining, reset_time=window.reset_time)

    def _note_unknown(self, error: Exception) -> None:
        self._metrics.rate_limit_failures.inc()
        log.warning("rate_limit.unknown", error=repr(error), refused=self._refuses_when_unknown)
        if self._refuses_when_unknown:
            raise unavailable("The rate limit's store") from error


def _redis(url: str) -> RedisStorage:
    """The windows of `limits` in Redis; its errors come as `limits.errors.StorageError`."""
    seconds = STORE_SECONDS
    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix="badges",
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
    )

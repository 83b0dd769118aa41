"""The cap on award calls per participant, by the `limits` library, in this process."""

import math
import time
from collections.abc import Mapping
from http import HTTPStatus

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from api.problems import ProblemError
from domain.tenants import Principal


class AwardRateLimit:
    """So many award calls for one participant in any minute."""

    def __init__(self, calls_per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(calls_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

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

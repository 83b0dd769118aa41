"""When a call is tried again, and after what pause."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

import httpx

from badges_client.answers import read_answer, unanswered
from badges_client.calls import Call, Result
from badges_client.errors import BadgesError, ConnectionFailed, RateLimited, Unavailable

SHORTEST_TIMEOUT = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how long a call is tried; `attempts=1` is once. All times are in seconds.

    `deadline` bounds a call, its pauses included: no try begins behind it, and each has no longer
    to connect, or to wait for an answer, than is left. The n-th pause is between a half and the whole
    of `first_pause` * 2^(n-1), at most `longest_pause`, and comes on top of the gateway's Retry-After.
    """

    attempts: int = 5
    deadline: float = 30.0
    first_pause: float = 0.2
    longest_pause: float = 5.0
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        """Refuse what would never try, or pause backwards."""
        if self.attempts < 1 or self.deadline <= 0 or self.first_pause < 0 or self.longest_pause < 0:
            raise ValueError("attempts and deadline must be positive, pauses must not be negative")

    def pause(self, attempt: int) -> float:
        """Return how long to wait after the `attempt`-th try (the first is 1), spread at random."""
        longest = min(self.first_pause * 2.0 ** min(attempt - 1, 64), self.longest_pause)
        return longest * (0.5 + self.random() / 2)


class Attempts(Generic[Result]):
    """The tries of one call, for a client that only sends, waits and sleeps."""

    def __init__(self, call: Call[Result], retries: Retries, timeout: float) -> None:
        self._call = call
        self._retries = retries
        self._timeout = timeout
        self._ends_at = retries.clock() + retries.deadline
        self._made = 0

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return what to send for the next try.

        Raises:
            httpx.InvalidURL: it is too long to be sent.
        """
        call = self._call
        headers = {"Content-Type": "application/json"} if call.content is not None else {}
        return http.build_request(
            call.method,
            call.target,
            content=call.content,
            headers={**headers, **call.headers},
            timeout=max(SHORTEST_TIMEOUT, min(self._timeout, self._left())),
        )

    def result(self, answer: httpx.Response) -> Result:
        """Return the result that the answer to a try holds.

        Raises:
            BadgesError: it holds none.
        """
        return read_answer(self._call.result, answer)

    def pause_after(self, error: httpx.RequestError | httpx.InvalidURL | BadgesError) -> float:
        """Return how long to wait until the next try.

        Raises:
            BadgesError: there is none, because of what happened or because it is enough.
        """
        failure = error if isinstance(error, BadgesError) else unanswered(error)
        self._made += 1
        pause = self._retries.pause(self._made) + (failure.retry_after or 0)
        if self._made < self._retries.attempts and pause < self._left() and self._is_worth_it(failure):
            return pause
        if failure is error:
            raise failure
        raise failure from error

    def _is_worth_it(self, failure: BadgesError) -> bool:
        match failure:
            case RateLimited():
                return True
            case ConnectionFailed():
                return self._call.is_repeatable or not failure.was_sent
            case Unavailable():
                return self._call.is_repeatable
            case _:
                return False

    def _left(self) -> float:
        return self._ends_at - self._retries.clock()

"""Stops a worker that rejects nearly everything: a wrong deploy upstream must not turn a topic into dead letters."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeLimits:
    """When it is too much: so many rejected in a row, or such a share of the last `window` requests. 0 is never."""

    consecutive: int
    ratio: float
    window: int


class BrakeHeldError(Exception):
    """The brake is on, and this batch is no better: nothing of it is to be recorded."""


class Brake:
    """Off: counts what is rejected. On: lets a batch pass only if it is better, and is off again with it.

    Batches are given as one bool a request: whether it was rejected just now.
    """

    def __init__(self, limits: BrakeLimits, monotonic: Callable[[], float]) -> None:
        """`monotonic` tells seconds, from any beginning."""
        self._limits = limits
        self._monotonic = monotonic
        self._recent: deque[bool] = deque(maxlen=limits.window)
        self._in_a_row = 0
        self._is_on = False
        self._released_until = float("-inf")
        self._pause = FIRST_PAUSE_SECONDS
        self._probe_at = 0.0

    @property
    def is_on(self) -> bool:
        """Whether batches are held."""
        return self._is_on

    @property
    def may_probe(self) -> bool:
        """Whether the consumer may go on: the brake is off, or it is time to see if the next batch is better."""
        return self._monotonic() >= self._probe_at

    def admit(self, rejections: Sequence[bool]) -> None:
        """Call before a batch is recorded.

        Raises:
            BrakeHeldError: it is to come again later; the pause until then has been made longer.
        """
        if not self._is_on or not rejections or sum(rejections) / len(rejections) < (self._limits.ratio or 1):
            return
        self._probe_at = self._monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        raise BrakeHeldError

    def note(self, rejections: Sequence[bool]) -> None:
        """Call once a batch is recorded; the brake is on or off afterwards."""
        if not rejections:
            return
        if self._is_on or self._monotonic() < self._released_until:
            self._reset()
            return
        self._recent.extend(rejections)
        for was_rejected in rejections:
            self._in_a_row = self._in_a_row + 1 if was_rejected else 0
        self._is_on = self._is_too_much()

    def release(self, seconds: float) -> None:
        """Be off for so long, whatever is rejected; then begin to count anew."""
        self._reset()
        self._released_until = self._monotonic() + seconds

    def _is_too_much(self) -> bool:
        limits = self._limits
        if limits.consecutive and self._in_a_row >= limits.consecutive:
            return True
        is_full = len(self._recent) == limits.window
        return bool(limits.ratio) and is_full and sum(self._recent) >= limits.ratio * limits.window

    def _reset(self) -> None:
        self._recent.clear()
        self._in_a_row = 0
        self._is_on = False
        self._pause = FIRST_PAUSE_SECONDS
        self._probe_at = 0.0

"""What happened when: the round's log, which the display shows and the report keeps."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_KEPT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line: seconds since the round began, and what it was."""

    at: float
    what: str


@dataclass(slots=True)
class Happenings:
    """The lines so far; `tell` is called with each new one."""

    tell: Callable[[Happening], None] = lambda _happening: None
    lines: list[Happening] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Count seconds from now."""
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the round began."""
        return time.monotonic() - self._began

    def note(self, what: str) -> float:
        """Add a line; return its time."""
        happening = Happening(at=round(self.now, 2), what=what)
        if len(self.lines) < MOST_KEPT:
            self.lines.append(happening)
        self.tell(happening)
        return happening.at

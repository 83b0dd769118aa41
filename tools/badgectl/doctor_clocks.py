"""Do the clocks of the servers agree with this one?"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from badgectl.doctor_findings import Finding, failure, fine, warning
from domain.times import Clock

NOTICED = timedelta(seconds=1)
HARMFUL = timedelta(seconds=60)

_REMEDY = "have every machine follow NTP; `earned_at` is a gateway's time, and 5 min in the future it is refused"


async def look_at_clock(ask: Callable[[], Awaitable[datetime]], clock: Clock) -> Sequence[Finding]:
    """Compare the time that is told with the time here while it was asked."""
    before = clock()
    told = await ask()
    after = clock()
    return [judge_clock(told, before=before, after=after)]


def judge_clock(told: datetime, *, before: datetime, after: datetime) -> Finding:
    """Judge a time that was told between two others; how long the answer took is not held against it."""
    ahead = max(told - after, timedelta(0)) - max(before - told, timedelta(0))
    if abs(ahead) <= NOTICED:
        return fine(f"within {NOTICED.total_seconds():g} s of this machine's")
    judge = failure if abs(ahead) > HARMFUL else warning
    word = "ahead of" if ahead > timedelta(0) else "behind"
    return judge(f"{abs(ahead).total_seconds():.1f} s {word} this machine's", _REMEDY)

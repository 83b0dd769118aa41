"""Visits every state that a model can reach, and tells how the first bad one came about."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)
Step = tuple[str, State]


class TooLargeError(Exception):
    """More states than were asked for: the model is not exhausted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration(Generic[State]):
    """What was found: how many states there are, and the shortest way to a bad one, if there is one."""

    states: int
    fault: str | None
    way: Sequence[str]


def explore(
    first: State,
    *,
    steps: Callable[[State], Iterable[Step[State]]],
    fault: Callable[[State], str | None],
    is_done: Callable[[State], bool],
    most: int,
) -> Exploration[State]:
    """Visit every state, the nearest first.

    A state is bad if `fault` says why, or if no way leads from it to one that `is_done`.

    Raises:
        TooLargeError: there are more than `most` states.
    """
    came_from: dict[State, tuple[State, str] | None] = {first: None}
    leads_from: dict[State, list[State]] = {}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        if (found := fault(state)) is not None:
            return Exploration(states=len(came_from), fault=found, way=_way(state, came_from))
        for name, after in steps(state):
            leads_from.setdefault(after, []).append(state)
            if after not in came_from:
                came_from[after] = (state, name)
                waiting.append(after)
        if len(came_from) > most:
            raise TooLargeError(f"more than {most} states")
    hopeful = _all_that_lead_to([state for state in came_from if is_done(state)], leads_from)
    for state in came_from:
        if state not in hopeful:
            return Exploration(states=len(came_from), fault="it never ends well", way=_way(state, came_from))
    return Exploration(states=len(came_from), fault=None, way=())


def _way(state: State, came_from: dict[State, tuple[State, str] | None]) -> Sequence[str]:
    names: list[str] = []
    while (before := came_from[state]) is not None:
        state, name = before
        names.append(name)
    return names[::-1]


def _all_that_lead_to(states: Iterable[State], leads_from: dict[State, list[State]]) -> set[State]:
    found = set(states)
    waiting = list(found)
    while waiting:
        for before in leads_from.get(waiting.pop(), ()):
            if before not in found:
                found.add(before)
                waiting.append(before)
    return found

"""Runs of `badgectl doctor`, and what they tell."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from operator_commands import Ended, badgectl
from processes import Installation

Told: TypeAlias = Sequence[Mapping[str, Any]]


async def examined(place: Installation, **environment: str) -> Ended:
    return await badgectl(place, "doctor", "--json", environment=environment)


async def found(place: Installation, check: str, **environment: str) -> Told:
    """What the check says."""
    return [each for each in (await examined(place, **environment)).json["checks"] if each["check"] == check]


def levels(told: Told) -> Mapping[str, str]:
    """The worst level of each check."""
    worst: dict[str, str] = {}
    for each in told:
        order = ["ok", "warning", "failure"]
        worst[each["check"]] = max(worst.get(each["check"], "ok"), each["level"], key=order.index)
    return worst

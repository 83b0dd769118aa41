"""Who answers over HTTP: our gateway with its worker, the peers, and the ceilings."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.installation import Installation
from bench.processes import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`name` begins its keys; `start` starts its processes, by component, the one that is called first."""

    name: str
    start: Callable[[Installation], Mapping[str, Running]]

    async def ready(self, place: Installation) -> tuple[str, Mapping[str, Running]]:
        """Start it; return where it answers, and its processes, once all are ready."""
        processes = self.start(place)
        await asyncio.gather(*(process.ready() for process in processes.values()))
        return next(iter(processes.values())).url, processes


def _ours(place: Installation) -> Mapping[str, Running]:
    return {"gateway": place.gateway(), "worker": place.worker()}


def _our_gateway(place: Installation) -> Mapping[str, Running]:
    return {"gateway": place.gateway()}


def _peer(module: str) -> Callable[[Installation], Mapping[str, Running]]:
    return lambda place: {"app": place.peer(module)}


OURS = Contender(name="http", start=_ours)
DUAL_WRITE = Contender(name="dual_write", start=_peer("dual_write"))
ORM_DUAL_WRITE = Contender(name="orm_dual_write", start=_peer("orm_dual_write"))
NO_OP = Contender(name="no_op", start=_peer("no_op"))

OUR_LIST = Contender(name="list", start=_our_gateway)
BARE_LIST = Contender(name="bare_list", start=_peer("bare_list"))

"""Starts again whatever has ended, as a supervisor in production does."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chaos.suite.happenings import Happenings
from chaos.suite.place import Place
from devstack.errors import StackError
from processes import Service
from servers import KafkaProcess, PostgresProcess

LOOK_SECONDS = 0.1
PAUSE_SECONDS = 0.5


@dataclass(slots=True, kw_only=True)
class Unit:
    """One process that is to run; `ended` tells how it ended, None while it runs. It stays down while it is held."""

    name: str
    ended: Callable[[], str | None]
    start: Callable[[], None]
    is_held: bool = False
    restarts: int = 0


def units_of(place: Place) -> dict[str, Unit]:
    """All that is supervised, by name."""
    services = [
        Unit(name=name, ended=_service_ended(service), start=service.start) for name, service in place.services.items()
    ]
    servers = [
        Unit(name=name, ended=_server_ended(server), start=server.start)
        for name, server in (("kafka", place.kafka), ("postgres", place.postgres))
    ]
    return {unit.name: unit for unit in (*services, *servers)}


async def supervise(units: Iterable[Unit], happenings: Happenings) -> None:
    """Run until cancelled."""
    async with asyncio.TaskGroup() as group:
        for unit in units:
            group.create_task(_supervise(unit, happenings))


async def _supervise(unit: Unit, happenings: Happenings) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if not _is_to_start(unit):
            continue
        happenings.note(f"{unit.name} {unit.ended()}; it is started again")
        unit.restarts += 1
        await asyncio.sleep(PAUSE_SECONDS)
        if not _is_to_start(unit):  # a fault keeps it down by now
            continue
        try:
            await asyncio.to_thread(unit.start)
        except StackError as error:
            happenings.note(f"{unit.name} did not start: {str(error).splitlines()[0]}")


def _is_to_start(unit: Unit) -> bool:
    return not unit.is_held and unit.ended() is not None


def _service_ended(service: Service) -> Callable[[], str | None]:
    def ended() -> str | None:
        assert service.process is not None
        code = service.process.poll()
        return None if code is None else f"ended with {code}"

    return ended


def _server_ended(server: KafkaProcess | PostgresProcess) -> Callable[[], str | None]:
    def ended() -> str | None:
        return None if server._child.runs() else "is down"

    return ended

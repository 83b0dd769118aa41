"""Does to the place what the schedule says, and undoes it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import asyncpg
import httpx

from chaos.suite.faults import Fault, Kind
from chaos.suite.happenings import Happenings
from chaos.suite.place import Place, Worker
from chaos.suite.proxy import Link
from chaos.suite.supervisor import Unit
from processes import Service
from servers import KafkaProcess, PostgresProcess

LEADER_SECONDS = 15
DELAY_SECONDS = 0.1
END_SECONDS = 60
RETRY_SECONDS = 0.2

Undo = Callable[[], Awaitable[None]]


class Injector:
    """Performs one fault at a time or several at once."""

    def __init__(self, place: Place, units: Mapping[str, Unit], happenings: Happenings) -> None:
        self._place = place
        self._units = units
        self._happenings = happenings

    async def perform(self, fault: Fault) -> float:
        """Do it, hold it for its seconds, undo it; return when it was over, in seconds of the round."""
        verb, _, what = fault.kind.value.partition("_")
        target = fault.target
        if fault.target == "relay":
            target = await self._leader()
        name = f"#{fault.number} {fault.kind}" + ("" if target == what else f" ({target})")
        held = f", {fault.seconds:.1f} s" if fault.seconds else ""
        self._happenings.note(f"{name}{held}")
        undo = await self._begin(fault.kind, verb, target)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            await undo()
        return self._happenings.note(f"{name} is over") if fault.seconds else self._happenings.now

    async def _begin(self, kind: Kind, verb: str, target: str) -> Undo:
        match kind:
            case Kind.REBALANCE:
                return self._join(is_killed=target == "is killed")
            case Kind.READ_ONLY_POSTGRES:
                await self._set_read_only(is_on=True)
                return lambda: self._set_read_only(is_on=False)
            case Kind.BOTH_DOWN | Kind.KILL_KAFKA | Kind.KILL_POSTGRES | Kind.TERM_KAFKA | Kind.TERM_POSTGRES:
                return await self._take_down([name for name in ("kafka", "postgres") if name in target], verb)
            case Kind.STOP_KAFKA:
                process = self._place.kafka._child._running
                assert process is not None
                process.send_signal(signal.SIGSTOP)
                return _calling(lambda: process.send_signal(signal.SIGCONT))
        if verb in {"cut", "delay", "stall"}:
            return self._disturb(verb, self._links(kind, target))
        return _signal(self._place.services[target], verb)

    async def _leader(self) -> str:
        """Return the worker whose relay leads; the first one when none does for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LEADER_SECONDS), httpx.AsyncClient(timeout=1) as client:
                while True:
                    for name, worker in self._place.workers.items():
                        if worker.service is not None and await leads(client, worker.service):
                            return name
                    await asyncio.sleep(RETRY_SECONDS)
        self._happenings.note("no relay leads: worker-0 is taken for it")
        return next(iter(self._place.workers))

    def _links(self, kind: Kind, target: str) -> Sequence[Link]:
        workers = self._place.workers
        hit: Sequence[Worker] = [*workers.values()] if target == "all workers" else [workers[target]]
        return [worker.kafka if kind.value.endswith("kafka") else worker.postgres for worker in hit]

    def _disturb(self, verb: str, links: Sequence[Link]) -> Undo:
        for link in links:
            match verb:
                case "cut":
                    link.cut()
                case "delay":
                    link.delay(DELAY_SECONDS)
                case _:
                    link.stall()
        return _calling(*(link.mend for link in links))

    async def _take_down(self, names: Sequence[str], verb: str) -> Undo:
        """End servers, and keep them down until undone; the supervisor starts them then."""
        servers: Mapping[str, KafkaProcess | PostgresProcess] = {
            "kafka": self._place.kafka,
            "postgres": self._place.postgres,
        }
        for name in names:
            self._units[name].is_held = True
        ends = [servers[name].stop if verb == "term" else servers[name].kill for name in names]
        await asyncio.gather(*(asyncio.to_thread(end) for end in ends))

        async def release() -> None:
            for name in names:
                self._units[name].is_held = False

        return release

    def _join(self, *, is_killed: bool) -> Undo:
        spare = self._place.spare.start()

        async def leave() -> None:
            if is_killed:
                await asyncio.to_thread(spare.kill)
            else:
                await asyncio.to_thread(spare.stop)

        return leave

    async def _set_read_only(self, *, is_on: bool) -> None:
        """Tell Postgres, and tell it again until it has heard: another fault may have it down."""
        while True:
            try:
                session = await asyncpg.connect(
                    self._place.postgres.database_url,
                    timeout=2,
                    server_settings={"default_transaction_read_only": "off"},
                )
                try:
                    await session.execute(
                        f"ALTER SYSTEM SET default_transaction_read_only = {'on' if is_on else 'off'}"
                    )
                    await session.execute("SELECT pg_reload_conf()")
                finally:
                    session.terminate()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return


async def leads(client: httpx.AsyncClient, service: Service) -> bool:
    """Whether the worker's relay says that it is at work."""
    try:
        return "\nbadges_relay_is_leader 1.0" in (await client.get(f"{service.url}/metrics")).text
    except httpx.TransportError:
        return False


def _signal(service: Service, verb: str) -> Undo:
    """Send the signal to the process of now: the one that goes on later is the same, or nobody."""
    process = service.process
    assert process is not None
    numbers = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}
    process.send_signal(numbers[verb])
    if verb == "stop":
        return _calling(lambda: process.send_signal(signal.SIGCONT))

    async def ended() -> None:
        """It is over when the process has gone; one that never goes is found when all should be at rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                while process.poll() is None:
                    await asyncio.sleep(0.02)

    return ended


def _calling(*acts: Callable[[], None]) -> Undo:
    async def undo() -> None:
        for act in acts:
            act()

    return undo

"""Quiet: when nothing is asked any more, everything has to come to rest by itself."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import httpx
from aiokafka.errors import KafkaError

from chaos.suite.injection import leads
from chaos.suite.invariants import Invariant
from chaos.suite.place import Place
from chaos.suite.probes import GIVE_UP_SECONDS, Recovery
from messaging.group_offsets import open_client
from messaging.lag import read_lag
from messaging.topics import topics_of

SETTLE_SECONDS = 90.0
ASK_SECONDS = 10.0
PAUSE_SECONDS = 0.5

_OUTBOX = "SELECT count(*) FROM outbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """How the place came to rest: after how many seconds, and what had not after all of them."""

    seconds: float
    unrest: Mapping[str, str]

    def invariant(self, recoveries: Sequence[Recovery]) -> Invariant:
        """The same as an invariant, with the recoveries that were not seen."""
        invariant = Invariant(
            "rest",
            f"within {SETTLE_SECONDS:.0f} s, and without a hand: every call answered, every process ready, one relay "
            "leads, the outbox is empty, nothing waits in award_requests",
            checked=5,
        )
        for what, how in self.unrest.items():
            invariant.breaks(f"{what}: {how}")
        for recovery in recoveries:
            invariant.checked += 1
            # An award within a second is a measure, not a promise; and other faults may have put the event off.
            is_over = recovery.event is not None or not recovery.is_alone
            invariant.require(is_over, f"no event within {GIVE_UP_SECONDS} s: {recovery}")
        return invariant


async def settle(place: Place, load: asyncio.Task[None]) -> Rest:
    """Wait until nothing moves any more; `load` is the load, which has been told to end."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        unrest = await _unrest(place, load)
        seconds = loop.time() - began
        if not unrest or seconds > SETTLE_SECONDS:
            return Rest(seconds=round(seconds, 1), unrest=unrest)
        await asyncio.sleep(PAUSE_SECONDS)


async def _unrest(place: Place, load: asyncio.Task[None]) -> dict[str, str]:
    """What is not at rest yet, and how far it is."""
    found = {} if load.done() else {"calls": "some are not answered"}
    try:
        async with asyncio.timeout(ASK_SECONDS):
            waiting = await _waiting(place)
            rows = await _outbox(place)
    except (KafkaError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return found | {"servers": repr(error)}
    if waiting:
        found["award_requests"] = f"{waiting} wait"
    if rows:
        found["outbox"] = f"{rows} rows"
    return found | await _not_ready(place)


async def _waiting(place: Place) -> int:
    async with open_client(place.settings) as client:
        return sum(lag.waiting for lag in await read_lag(client, topics_of(place.settings)))


async def _outbox(place: Place) -> int:
    connection = await asyncpg.connect(place.postgres.database_url, timeout=2)
    try:
        return int(await connection.fetchval(_OUTBOX))
    finally:
        await connection.close()


async def _not_ready(place: Place) -> dict[str, str]:
    found: dict[str, str] = {}
    async with httpx.AsyncClient(timeout=3) as client:
        for name, service in place.services.items():
            try:
                answer = await client.get(f"{service.url}/readyz")
            except httpx.TransportError as error:
                found[name] = repr(error)
            else:
                if answer.status_code != httpx.codes.OK:
                    found[name] = answer.text
        workers = [worker.service for worker in place.workers.values() if worker.service is not None]
        leading = [service for service in workers if await leads(client, service)]
        if len(leading) != 1:
            found["relay"] = f"{len(leading)} lead"
    return found

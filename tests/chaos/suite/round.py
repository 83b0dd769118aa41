"""One round: load, faults, quiet, and then what must hold."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos.suite.asked import Pairs, bad_records
from chaos.suite.checks import EventCheck, check_answers, check_awards
from chaos.suite.dead_letter_checks import DeadLetterCheck, check_rejections
from chaos.suite.evidence import read_awards, read_records, read_rejections
from chaos.suite.faults import Fault, Kind, schedule
from chaos.suite.happenings import Happenings
from chaos.suite.http_load import HttpLoad
from chaos.suite.injection import Injector
from chaos.suite.invariants import Invariant
from chaos.suite.kafka_load import KafkaLoad
from chaos.suite.ledger import Ledger
from chaos.suite.place import CODES, INACTIVE_CODE, Place, open_place
from chaos.suite.probes import Prober, Recovery, Tail
from chaos.suite.replay import Replay
from chaos.suite.settling import Rest, settle
from chaos.suite.supervisor import Unit, supervise, units_of
from messaging.topics import topics_of

CALLS_A_SECOND = 60.0
RECORDS_A_SECOND = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a round is to be; `scale` multiplies the load, `is_alone` lets one fault come at a time."""

    seconds: float
    seed: int
    folder: Path
    kinds: Sequence[Kind] = tuple(Kind)
    scale: float = 1.0
    is_alone: bool = False


@dataclass(slots=True)
class Round:
    """A round under way, to be looked at, and what came of it."""

    options: Options
    happenings: Happenings = field(default_factory=Happenings)
    phase: str = "starts"
    ledger: Ledger = field(default_factory=Ledger)
    events_seen: int = 0
    faults: Sequence[Fault] = ()
    under_way: list[Fault] = field(default_factory=list)
    recovering: list[Recovery] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)
    rest: Rest | None = None
    invariants: list[Invariant] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the round has come to its end, and every invariant holds."""
        return bool(self.invariants) and not any(one.broken for one in self.invariants)

    def enter(self, phase: str) -> None:
        """Begin a phase."""
        self.phase = phase
        self.happenings.note(phase)

    async def run(self) -> None:
        """Run it. What was broken is in `invariants`; an exception is a defect of the suite, or of the machine."""
        options = self.options
        self.faults = schedule(
            seed=options.seed, seconds=options.seconds, kinds=options.kinds, is_alone=options.is_alone
        )
        async with open_place(options.folder) as place:
            units = units_of(place)
            async with _background(supervise(units.values(), self.happenings)):
                await self._load_and_faults(place, units)
                self.enter("checks")
                await self._check(place)
            self.restarts = {unit.name: unit.restarts for unit in units.values()}

    async def _load_and_faults(self, place: Place, units: dict[str, Unit]) -> None:
        options = self.options
        pairs = Pairs(options.seed, CODES)
        bad = bad_records(place.demo.id, place.demo.test_id, INACTIVE_CODE)
        shown = {code: (badge.name, badge.icon_url, badge.rarity.value) for code, badge in place.badges.items()}
        urls, key = place.gateway_urls, place.demo.live_key
        http = HttpLoad(urls=urls, key=key, pairs=pairs, ledger=self.ledger, shown=shown)
        kafka = KafkaLoad(kafka=place.settings, tenant_id=place.demo.id, pairs=pairs, ledger=self.ledger, bad=bad)
        tail = Tail(place.settings)
        prober = Prober(urls=urls, key=key, tenant_id=place.demo.id, http=http, kafka=kafka, tail=tail)
        ended = asyncio.Event()
        await kafka.start()
        self.happenings.begin()
        self.enter("load and faults")
        try:
            async with _background(tail.run()), _background(prober.run()), _background(self._count_events(tail)):
                load = asyncio.create_task(_both(http, kafka, options.scale, ended))
                await self._inject(Injector(place, units, self.happenings), prober)
                ended.set()
                self.enter("quiet")
                self.rest = await settle(place, load)
                self.invariants.append(self.rest.invariant(self.recoveries))
                await _give_up(load)
        finally:
            await prober.aclose()
            await http.aclose()
            await kafka.stop()

    async def _inject(self, injector: Injector, prober: Prober) -> None:
        """Follow the schedule; return when its time is over, and the last fault's recovery has been measured."""
        async with asyncio.TaskGroup() as group:
            for fault in self.faults:
                await asyncio.sleep(max(0.0, fault.at - self.happenings.now))
                for recovery in self.recovering:
                    recovery.is_alone = False
                group.create_task(self._perform(fault, injector, prober))
            await asyncio.sleep(max(0.0, self.options.seconds - self.happenings.now))

    async def _perform(self, fault: Fault, injector: Injector, prober: Prober) -> None:
        self.under_way.append(fault)
        await injector.perform(fault)
        self.under_way.remove(fault)
        recovery = Recovery(fault=fault, is_alone=not self.under_way and not self.recovering)
        self.recovering.append(recovery)
        await prober.measure(recovery)
        self.recovering.remove(recovery)
        self.recoveries.append(recovery)
        alone = "" if recovery.is_alone else ", among others"
        self.happenings.note(f"#{fault.number} recovered: award {recovery.award} s, event {recovery.event} s{alone}")

    async def _count_events(self, tail: Tail) -> None:
        while True:
            self.events_seen = tail.events
            await asyncio.sleep(0.2)

    async def _check(self, place: Place) -> None:
        topics, kafka = topics_of(place.settings), place.settings
        replay = Replay(self.ledger)
        async for record in read_records(kafka, topics.award_requests):
            replay.add(record)
        awards, rows = check_awards(
            replay.earned, [row async for row in read_awards(place.postgres.database_url, place.demo.id)]
        )
        events = EventCheck(rows, place.badges)
        async for record in read_records(kafka, topics.badge_awarded):
            events.add(record)
        letters = DeadLetterCheck(replay.bad, topics.award_requests)
        async for record in read_records(kafka, topics.award_requests_dlq):
            letters.add(record)
        rejections = check_rejections(replay.bad, [row async for row in read_rejections(place.postgres.database_url)])
        answers = check_answers(self.ledger, rows)
        self.invariants += [replay.finish(), awards, *answers, *events.finish(), letters.finish(), rejections]


async def _both(http: HttpLoad, kafka: KafkaLoad, scale: float, ended: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(http.run(CALLS_A_SECOND * scale, ended))
        group.create_task(kafka.run(RECORDS_A_SECOND * scale, ended))


async def _give_up(load: asyncio.Task[None]) -> None:
    """End what is not answered by now; a failure of the load itself is raised."""
    if not load.done():
        load.cancel()
    with suppress(asyncio.CancelledError):
        await load


@asynccontextmanager
async def _background(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run beside the context; a failure of it is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

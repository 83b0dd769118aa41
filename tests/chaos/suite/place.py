"""What a round runs on: servers of its own, two gateways, two workers and a spare, each behind links of its own."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from chaos.suite.faults import GATEWAYS, WORKERS
from chaos.suite.proxy import Link, proxied
from devstack.kafka import KafkaServer, server_properties
from devstack.ports import LOOPBACK
from devstack.seed import BADGES, DemoTenant, seed_demo_tenant
from domain.badges import Badge, NewBadge, Rarity
from messaging.settings import KafkaSettings
from messaging.topics import create_topics
from ports import free_port
from processes import Installation, Service, installation
from servers import KafkaProcess, PostgresProcess
from storage.badges import create_badge
from storage.database import Database
from storage.migrate import upgrade

PARTITIONS = 6
CODES = tuple(badge.code for badge in BADGES) + tuple(f"chaos_{number}" for number in range(5))
INACTIVE_CODE = "retired"


@dataclass(slots=True, kw_only=True)
class Worker:
    """A place for a worker: where it is installed, and its links. The spare's service is None until it first joins."""

    installed: Installation
    kafka: Link
    postgres: Link
    named: str | None
    service: Service | None = None

    def start(self) -> Service:
        """Start the worker, again if it has run before."""
        if self.service is None:
            self.service = self.installed.worker(**({"instance_id": self.named} if self.named else {}))
        else:
            self.service.start()
        return self.service


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Everything that faults can hit, and what the load has to know."""

    postgres: PostgresProcess
    kafka: KafkaProcess
    gateways: Mapping[str, Service]
    workers: Mapping[str, Worker]
    spare: Worker
    demo: DemoTenant
    badges: Mapping[str, Badge]
    """Code -> definition, of all that can be awarded."""

    @property
    def settings(self) -> KafkaSettings:
        """How the load reaches Kafka: past the links."""
        return KafkaSettings(bootstrap=self.kafka.bootstrap)

    @property
    def gateway_urls(self) -> Sequence[str]:
        """Where the gateways answer."""
        return [gateway.url for gateway in self.gateways.values()]

    @property
    def services(self) -> Mapping[str, Service]:
        """Every gateway and worker that is to run all the time."""
        workers = {name: worker.service for name, worker in self.workers.items() if worker.service is not None}
        return {**self.gateways, **workers}


@asynccontextmanager
async def open_place(folder: Path) -> AsyncIterator[Place]:
    """Start everything below the folder; stop it in the end. All is ready when the context begins."""
    async with AsyncExitStack() as stack:
        kafka, postgres = KafkaProcess(folder / "kafka"), PostgresProcess(folder / "postgres")
        stack.push_async_callback(asyncio.to_thread, kafka.stop)
        stack.push_async_callback(asyncio.to_thread, postgres.stop)
        names = [*(f"worker-{number}" for number in range(WORKERS)), "spare"]
        behind = {name: free_port() for name in names}
        kafka_links = {name: await stack.enter_async_context(proxied(port)) for name, port in behind.items()}
        overrides = _listeners(kafka.server, behind, kafka_links)
        await asyncio.gather(asyncio.to_thread(kafka.start, overrides), asyncio.to_thread(postgres.start))
        await asyncio.to_thread(upgrade, postgres.database_url)
        await create_topics(KafkaSettings(bootstrap=kafka.bootstrap), partitions=PARTITIONS)
        demo = await seed_demo_tenant(postgres.database_url, None)
        badges = await _define_badges(postgres.database_url, demo)
        workers = {name: await _worker(stack, folder / name, postgres, kafka_links[name], name) for name in names}
        spare = workers.pop("spare")
        main = await stack.enter_async_context(
            installation(postgres.database_url, KafkaSettings(bootstrap=kafka.bootstrap), folder, load_themselves=True)
        )
        gateways = {f"gateway-{number}": main.gateway(awards_per_minute="100000") for number in range(GATEWAYS)}
        started = [*gateways.values(), *(worker.start() for worker in workers.values())]
        await asyncio.gather(*(service.ready() for service in started))
        place = Place(
            postgres=postgres, kafka=kafka, gateways=gateways, workers=workers, spare=spare, demo=demo, badges=badges
        )
        try:
            yield place
        finally:
            await _stop(place)


async def _stop(place: Place) -> None:
    """End every service while the links still carry what it has to say."""
    spare = [] if place.spare.service is None else [place.spare.service]
    await asyncio.gather(*(asyncio.to_thread(service.stop) for service in (*place.services.values(), *spare)))


def _listeners(server: KafkaServer, behind: Mapping[str, int], before: Mapping[str, Link]) -> Mapping[str, str]:
    """A listener for each worker, which sends its clients to the link before it; the others stay as they are."""
    usual = server_properties(port=server.port, controller_port=server.controller_port)
    label = {name: name.replace("-", "").upper() for name in behind}
    listening = [f"{label[name]}://{LOOPBACK}:{port}" for name, port in behind.items()]
    advertised = [f"{label[name]}://{LOOPBACK}:{link.port}" for name, link in before.items()]
    return {
        "listeners": ",".join([usual["listeners"], *listening]),
        "advertised.listeners": ",".join([usual["advertised.listeners"], *advertised]),
        "listener.security.protocol.map": ",".join(
            f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *label.values())
        ),
        "inter.broker.listener.name": "PLAINTEXT",
    }


async def _worker(
    stack: AsyncExitStack, folder: Path, postgres: PostgresProcess, kafka_link: Link, name: str
) -> Worker:
    """Make a place for a worker. Only the first one has a name for Kafka: both ways of coming back are seen."""
    await asyncio.to_thread(folder.mkdir)
    postgres_link = await stack.enter_async_context(proxied(postgres.server.port))
    settings = KafkaSettings(bootstrap=f"{LOOPBACK}:{kafka_link.port}")
    database_url = postgres.database_url.replace(
        f"@{LOOPBACK}:{postgres.server.port}/", f"@{LOOPBACK}:{postgres_link.port}/"
    )
    installed = await stack.enter_async_context(installation(database_url, settings, folder, load_themselves=True))
    named = name if name == "worker-0" else None
    return Worker(installed=installed, kafka=kafka_link, postgres=postgres_link, named=named)


async def _define_badges(database_url: str, demo: DemoTenant) -> Mapping[str, Badge]:
    """Define what is awarded beside the demo's badges, one badge that is not, and disable the other tenant."""
    connection = await asyncpg.connect(database_url)
    database = Database(database_url, application="chaos", pool_size=1)
    try:
        rarities = list(Rarity)
        async with database.transaction() as transaction:
            for number, code in enumerate([*CODES[len(BADGES) :], INACTIVE_CODE]):
                icon = f"https://cdn.example.com/{code}.png" if number % 2 else None
                new = NewBadge(code=code, name=f"Chaos {number} \u2764", rarity=rarities[number % 5], icon_url=icon)
                await create_badge(transaction, badge_id=uuid4(), tenant_id=UUID(demo.id), badge=new)
        await connection.execute("UPDATE badges SET is_active = false WHERE code = $1", INACTIVE_CODE)
        await connection.execute("UPDATE tenants SET is_enabled = false WHERE id = $1", demo.test_id)
        rows = await connection.fetch("SELECT * FROM badges WHERE tenant_id = $1 AND is_active", demo.id)
        return {row["code"]: Badge(**{**row, "rarity": Rarity(row["rarity"])}) for row in rows}
    finally:
        await connection.close()
        await database.close()

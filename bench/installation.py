"""One installation of the bench: an empty database and topics, and the services that a measure starts on them."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from uuid import UUID

import asyncpg

from bench.processes import Command, Running
from bench.servers import Servers, Site
from devstack.layout import MARK
from devstack.ports import LOOPBACK
from messaging.settings import KafkaSettings
from messaging.topics import Topics, topics_of

BADGE_CODE = "power_user"


class Installation:
    """Starts services, and measures the processor time of all that is at work."""

    def __init__(self, servers: Servers, site: Site) -> None:
        self._servers = servers
        self._site = site
        self._started: list[Running] = []
        self._numbers = count(1)

    @property
    def database_url(self) -> str:
        """The superuser's connection string."""
        return self._site.database_url

    @property
    def kafka(self) -> KafkaSettings:
        """Settings with the installation's own prefix."""
        return self._site.kafka

    @property
    def topics(self) -> Topics:
        """The names of its topics."""
        return topics_of(self._site.kafka)

    @property
    def tenant_id(self) -> UUID:
        """The demo tenant's live environment."""
        return UUID(self._site.tenant.id)

    @property
    def key(self) -> str:
        """A live key of the demo tenant."""
        return self._site.tenant.live_key

    def gateway(self) -> Running:
        """Start our gateway."""
        return self._start_with_port("gateway", [sys.executable, "-m", "api"], "BADGES_API_PORT", {})

    def worker(self) -> Running:
        """Start our worker."""
        return self._start_with_port("worker", [sys.executable, "-m", "award_worker"], "BADGES_WORKER_PORT", {})

    def peer(self, module: str) -> Running:
        """Start a module of `bench.peers` that serves HTTP."""
        words = [sys.executable, "-m", f"bench.peers.{module}"]
        return self._start_with_port(module, words, "PEER_PORT", {"PEER_TENANT_ID": str(self.tenant_id)})

    def one_by_one(self, *, acknowledges_first: bool = False) -> Running:
        """Start peer (a), as FastStream has it started."""
        words = [sys.executable, "-m", "faststream", "run", "--factory", "bench.peers.one_by_one:create_worker"]
        settings = {"PEER_ACKNOWLEDGES_FIRST": str(acknowledges_first)}
        return self._start("one_by_one", words, settings, url=None)

    def stop(self) -> None:
        """End every service, those first that were started last."""
        while self._started:
            self._started.pop().stop()

    def servers_cpu_seconds(self) -> Mapping[str, float]:
        """Processor time so far, in seconds, of Kafka and Postgres."""
        return {"kafka": self._servers.kafka.cpu_seconds(), "postgres": self._servers.postgres.cpu_seconds()}

    def _start_with_port(
        self, name: str, words: Sequence[str], port_setting: str, environment: Mapping[str, str]
    ) -> Running:
        port = self._servers.free_port()
        settings = {**environment, port_setting: str(port)}
        return self._start(name, words, settings, url=f"http://{LOOPBACK}:{port}")

    def _start(self, name: str, words: Sequence[str], environment: Mapping[str, str], *, url: str | None) -> Running:
        command = Command(
            name=f"{self._site.name}_{name}_{next(self._numbers)}",
            words=words,
            environment={
                **environment,
                MARK: str(self._servers.folder.path),
                "BADGES_DATABASE_URL": self.database_url,
                "BADGES_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
                "BADGES_KAFKA_PREFIX": self.kafka.prefix,
            },
            url=url,
        )
        started = Running(command, self._servers.folder.logs)
        self._started.append(started)
        return started


@asynccontextmanager
async def installation(servers: Servers, *, partitions: int = 12) -> AsyncIterator[Installation]:
    """Lend an installation; what was started on it is ended, its data dropped."""
    async with servers.site(partitions=partitions) as site:
        lent = Installation(servers, site)
        try:
            yield lent
        finally:
            lent.stop()


@asynccontextmanager
async def connected(place: Installation) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection to the installation's database."""
    connection = await asyncpg.connect(place.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def badge_id(place: Installation) -> UUID:
    """The id of the badge that is awarded."""
    async with connected(place) as connection:
        found: UUID = await connection.fetchval(
            "SELECT id FROM badges WHERE tenant_id = $1 AND code = $2", place.tenant_id, BADGE_CODE
        )
        return found

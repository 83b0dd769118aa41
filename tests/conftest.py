"""Real servers once a run; a database and a set of topics of its own for each test that asks.

The servers are the embedded stack's, unless `server_sources.wanted_servers` is told otherwise.
"""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from devstack.seed import DemoTenant, seed_demo_tenant
from messaging.settings import KafkaSettings
from messaging.topics import create_topics
from processes import Installation, installation
from secrets_in_logs import assert_no_secrets
from server_sources import WantedServers, test_servers, wanted_servers
from servers import TestServers
from storage.database import Database
from storage.migrate import upgrade

PARTITIONS = 4
OURS = re.compile(r"(api|worker|award_worker|faulty|supervisord|stack_listener)\b.*\.log$")

_numbers = count(1)
_wanted = pytest.StashKey[WantedServers]()


def pytest_configure(config: pytest.Config) -> None:
    """Read what is wanted before the settings are taken away."""
    config.stash[_wanted] = wanted_servers(os.environ)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """Keep the settings of whoever runs the tests away from what is tested."""
    for name in [name for name in os.environ if name.startswith(("BADGES_", "OTEL_"))]:
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _no_secret_in_any_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever a service or a stack of the run has logged holds no key and no password."""
    yield
    for log in tmp_path_factory.getbasetemp().rglob("*.log"):
        if OURS.match(log.name):
            assert_no_secrets(log)


@pytest.fixture(scope="session", autouse=True)
def _signals_of_a_terminal() -> None:
    """Whoever runs the tests in the background ignores signals that our processes are to be ended by."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServers]:
    """Postgres and Kafka, for all tests."""
    with test_servers(pytestconfig.stash[_wanted], tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture(scope="session")
def template(servers: TestServers) -> str:
    """One migrated database, to be cloned; its name."""
    name = f"{servers.names}template"
    asyncio.run(servers.execute(f"CREATE DATABASE {name}"))
    upgrade(servers.sibling(name))
    return name


@pytest.fixture
async def database_url(servers: TestServers, template: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    name = f"{servers.names}{next(_numbers)}"
    await servers.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield servers.sibling(name)
    await servers.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of connections to the test's database."""
    pool = Database(database_url, application="tests")
    yield pool
    await pool.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A bare connection, for looking at what is there."""
    bare = await asyncpg.connect(database_url)
    yield bare
    await bare.close()


@pytest.fixture
async def kafka(servers: TestServers) -> AsyncIterator[KafkaSettings]:
    """Settings with a prefix, and so topics and groups, of the test's own."""
    settings = KafkaSettings(bootstrap=servers.kafka_bootstrap, prefix=f"{servers.names}{next(_numbers)}_")
    await create_topics(settings, partitions=PARTITIONS)
    yield settings
    await _delete_topics(settings)


@pytest.fixture
async def demo(database_url: str) -> DemoTenant:
    """The demo tenant in the test's database."""
    return await seed_demo_tenant(database_url, None)


@pytest.fixture
def live(demo: DemoTenant) -> UUID:
    """The demo tenant's live environment."""
    return UUID(demo.id)


@pytest.fixture
async def badges(
    database_url: str,
    kafka: KafkaSettings,
    demo: DemoTenant,  # noqa: ARG001 - only has to be there
    tmp_path: Path,
) -> AsyncIterator[Installation]:
    """An installation with the demo tenant; the test starts the gateways and workers it wants."""
    async with installation(database_url, kafka, tmp_path) as place:
        yield place


@pytest.fixture
async def worker(badges: Installation) -> Installation:
    """An installation with one running worker."""
    await badges.worker().ready()
    return badges


async def _delete_topics(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(kafka.prefix)])
    finally:
        await admin.close()

"""A broker as production has it: TLS, passwords, and nothing allowed that was not granted."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import count

import asyncpg
import pytest

from database_roles import OWNER, make_roles
from messaging.topics import create_topics
from secure_broker import SecureBroker, secure_broker
from servers import TestServers
from storage.migrate import upgrade

_numbers = count(1)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """One broker with a listener for each protocol, for all tests of this folder."""
    with secure_broker(tmp_path_factory.mktemp("secure")) as running:
        yield running


@pytest.fixture
async def topics(broker: SecureBroker) -> str:
    """The prefix of a set of topics of the test's own, which nobody may touch yet."""
    prefix = f"s{next(_numbers)}_"
    await create_topics(broker.superuser(prefix), partitions=2)
    return prefix


@pytest.fixture(scope="session")
def superuser_url(servers: TestServers) -> Iterator[str]:
    """A database for the roles, as the superuser of its server finds it."""
    servers.must_be_ours()  # roles are the whole server's, and the tests' have passwords that everybody knows
    name = f"{servers.names}roles"
    asyncio.run(servers.execute(f"CREATE DATABASE {name}"))
    yield servers.sibling(name)
    asyncio.run(servers.execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def urls(superuser_url: str) -> Mapping[str, str]:
    """Where each role finds that database, which its owner has migrated."""
    made = asyncio.run(make_roles(superuser_url))
    upgrade(made[OWNER])
    return made


@pytest.fixture
async def superuser(superuser_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A bare connection that may do anything."""
    bare = await asyncpg.connect(superuser_url)
    yield bare
    await bare.close()

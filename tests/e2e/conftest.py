"""One gateway and one worker for all tests that keep to a tenant of their own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from domain.tenants import Environment
from messaging.settings import KafkaSettings
from messaging.topics import create_topics
from processes import Service, installation
from servers import TestServers
from shared import Shared, Tenant, make_tenant
from storage.database import Database
from strict_gateway import strict_gateway

SHARED = "shared"


@pytest.fixture(scope="session")
def shared(servers: TestServers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """One gateway and one worker, at work for all tests of this folder that ask."""
    name = f"{servers.names}{SHARED}"
    kafka = KafkaSettings(bootstrap=servers.kafka_bootstrap, prefix=f"{name}_")
    asyncio.run(servers.execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
    asyncio.run(create_topics(kafka, partitions=4))
    running = installation(servers.sibling(name), kafka, tmp_path_factory.mktemp(SHARED))
    with asyncio.Runner() as runner:
        place = runner.run(running.__aenter__())
        try:
            gateway, worker = place.gateway(), place.worker()
            for service in (gateway, worker):
                runner.run(service.ready())
            yield Shared(place=place, api_url=gateway.url, worker_url=worker.url)
            for service in (gateway, worker):
                assert service.process is not None
                assert service.process.poll() is None, service.tail()
        finally:
            runner.run(running.__aexit__(None, None, None))
    asyncio.run(servers.execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def shared_database(shared: Shared) -> AsyncIterator[Database]:
    """A pool of connections to the shared installation's database."""
    database = Database(shared.place.database_url, application="tests")
    yield database
    await database.close()


@pytest.fixture
async def look(shared: Shared) -> AsyncIterator[asyncpg.Connection]:
    """A bare connection to the shared installation's database."""
    bare = await asyncpg.connect(shared.place.database_url)
    yield bare
    await bare.close()


@pytest.fixture
async def tenant(shared_database: Database) -> Tenant:
    """The live environment of a tenant of the test's own."""
    return await make_tenant(shared_database, f"slug-{uuid4()}", Environment.LIVE)


@pytest.fixture
async def client(shared: Shared, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with the tenant's plain key."""
    async with shared.client(tenant.key) as calling:
        yield calling


@pytest.fixture
async def admin(shared: Shared, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with the tenant's admin key."""
    async with shared.client(tenant.admin_key) as calling:
        yield calling


@pytest.fixture
async def sandbox(shared_database: Database, look: asyncpg.Connection, tenant: Tenant) -> Tenant:
    """The test environment of the same tenant."""
    slug = await look.fetchval("SELECT slug FROM tenants WHERE id = $1", tenant.id)
    return await make_tenant(shared_database, slug, Environment.TEST)


@pytest.fixture(scope="module")
def gateway(shared: Shared) -> Iterator[Service]:
    """A gateway whose limits are soon reached."""
    with strict_gateway(shared) as service:
        yield service


@pytest.fixture
def key(tenant: Tenant) -> str:
    """The header with the tenant's admin key, for raw connections."""
    return f"X-API-Key: {tenant.admin_key}"


@pytest.fixture
async def caller(gateway: Service, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    """A well-behaved caller of the strict gateway."""
    headers = {"X-API-Key": tenant.admin_key}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=15) as client:
        yield client

"""Keys, and the tenants that they lead to."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from devstack.seed import DemoTenant
from domain.errors import DataRefusedError
from domain.tenants import Environment, Principal, hash_key
from storage.database import Database
from storage.tenants import create_key, create_tenant, find_principal, find_tenant, set_tenant_enabled

KEY_ID = UUID("44444444-4444-4444-8444-444444444444")
KEY = hash_key("bq_live_" + "0" * 32)


async def principal(database: Database) -> Principal | None:
    """Who holds the key."""
    async with database.reading() as connection:
        return await find_principal(connection, KEY)


async def make_key(database: Database, tenant_id: UUID, **fields: Any) -> None:
    """Insert the key."""
    async with database.transaction() as connection:
        await create_key(connection, key_id=KEY_ID, key_hash=KEY, tenant_id=tenant_id, name="a key", **fields)


async def test_key_leads_to_its_tenant_and_scopes(database: Database, demo: DemoTenant) -> None:
    await make_key(database, UUID(demo.test_id), scopes=("x", "admin"))
    assert await principal(database) == Principal(
        key_id=KEY_ID,
        tenant_id=UUID(demo.test_id),
        environment=Environment.TEST,
        tenant_is_enabled=True,
        scopes=frozenset({"admin", "x"}),
    )


async def test_disabled_tenant_is_found_as_such(database: Database, live: UUID) -> None:
    await make_key(database, live)
    async with database.transaction() as connection:
        await set_tenant_enabled(connection, tenant_id=live, is_enabled=False)
    found = await principal(database)
    assert found is not None
    assert not found.tenant_is_enabled


async def test_unknown_key_leads_nowhere(database: Database) -> None:
    assert await principal(database) is None


async def test_key_that_is_yet_to_expire_leads_to_its_tenant(database: Database, live: UUID) -> None:
    await make_key(database, live, expires_at=datetime.now(UTC) + timedelta(seconds=60))
    assert await principal(database) is not None


async def test_expired_key_leads_nowhere(database: Database, live: UUID) -> None:
    await make_key(database, live, expires_at=datetime.now(UTC) - timedelta(milliseconds=1))
    assert await principal(database) is None


async def test_revoked_key_leads_nowhere(database: Database, live: UUID, connection: asyncpg.Connection) -> None:
    await make_key(database, live)
    await connection.execute("UPDATE api_keys SET revoked_at = now() WHERE key_hash = $1", KEY)
    assert await principal(database) is None


async def test_key_is_stored_as_32_bytes_or_not_at_all(database: Database, live: UUID) -> None:
    with pytest.raises(DataRefusedError) as refused:
        async with database.transaction() as connection:
            await create_key(connection, key_id=uuid4(), key_hash=b"short", tenant_id=live, name="a key")
    assert refused.value.constraint == "ck_api_keys_key_hash"


async def test_slug_has_each_environment_once(database: Database) -> None:
    for environment in Environment:
        async with database.transaction() as connection:
            await create_tenant(connection, tenant_id=uuid4(), slug="acme", environment=environment)
            assert await find_tenant(connection, slug="acme", environment=environment) is not None
    with pytest.raises(DataRefusedError) as refused:
        async with database.transaction() as connection:
            await create_tenant(connection, tenant_id=uuid4(), slug="acme", environment=Environment.LIVE)
    assert refused.value.constraint == "uq_tenants_slug_environment"

"""A running installation that many tests share, each with a tenant of its own."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from devstack.seed import BADGES
from domain.badges import Badge, NewBadge
from domain.tenants import Environment, hash_key, new_key
from processes import Installation
from storage.badges import create_badge
from storage.database import Database
from storage.tenants import create_key, create_tenant

GAMIFY = "/api/v1/gamify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A running installation: where it answers, and where its data is."""

    place: Installation
    api_url: str
    worker_url: str

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        """A client of the gateway; paths begin behind `/api/v1/gamify`."""
        headers = {} if key is None else {"X-API-Key": key}
        return httpx.AsyncClient(base_url=f"{self.api_url}{GAMIFY}", headers=headers, timeout=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One environment of a tenant, with the demo's badges."""

    id: UUID
    environment: Environment
    database: Database
    key: str
    admin_key: str

    async def define(self, code: str, **fields: Any) -> Badge:
        """Create one more badge."""
        new = NewBadge(code=code, name=fields.pop("name", code), **fields)
        async with self.database.transaction() as connection:
            return await create_badge(connection, badge_id=uuid4(), tenant_id=self.id, badge=new)

    async def new_key(self, *scopes: str, expires_at: datetime | None = None) -> str:
        """Make one more key."""
        key = new_key(self.environment, os.urandom)
        async with self.database.transaction() as connection:
            await create_key(
                connection,
                key_id=uuid4(),
                key_hash=hash_key(key),
                tenant_id=self.id,
                name="a test's",
                scopes=scopes,
                expires_at=expires_at,
            )
        return key


async def make_tenant(database: Database, slug: str, environment: Environment) -> Tenant:
    """Create one environment with the demo's badges and two keys."""
    tenant_id = uuid4()
    async with database.transaction() as connection:
        await create_tenant(connection, tenant_id=tenant_id, slug=slug, environment=environment)
        for badge in BADGES:
            await create_badge(connection, badge_id=uuid4(), tenant_id=tenant_id, badge=badge)
    tenant = Tenant(id=tenant_id, environment=environment, database=database, key="", admin_key="")
    return Tenant(
        id=tenant_id,
        environment=environment,
        database=database,
        key=await tenant.new_key(),
        admin_key=await tenant.new_key("admin"),
    )

"""Tenants and API keys."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select

from domain.tenants import Environment, Principal
from storage.database import Connection
from storage.tables import api_keys, tenants


async def create_tenant(connection: Connection, *, tenant_id: UUID, slug: str, environment: Environment) -> None:
    """Insert one environment of a tenant. The caller commits.

    Raises:
        DataRefusedError: the slug has that environment already.
    """
    values = {"id": tenant_id, "slug": slug, "environment": environment.value}
    await connection.execute(tenants.insert().values(values))


async def find_tenant(connection: Connection, *, slug: str, environment: Environment) -> UUID | None:
    """Return the id of a tenant's environment; None when there is none."""
    query = select(tenants.c.id).where(tenants.c.slug == slug, tenants.c.environment == environment.value)
    return (await connection.execute(query)).scalar_one_or_none()


async def set_tenant_enabled(connection: Connection, *, tenant_id: UUID, is_enabled: bool) -> None:
    """Enable or disable one environment of a tenant. The caller commits."""
    update = tenants.update().where(tenants.c.id == tenant_id).values(is_enabled=is_enabled)
    await connection.execute(update)


async def create_key(
    connection: Connection,
    *,
    key_id: UUID,
    key_hash: bytes,
    tenant_id: UUID,
    name: str,
    scopes: Collection[str] = (),
    expires_at: datetime | None = None,
) -> None:
    """Insert a key by its hash (SHA-256, 32 bytes). The caller commits."""
    values = {
        "id": key_id,
        "key_hash": key_hash,
        "tenant_id": tenant_id,
        "name": name,
        "scopes": sorted(scopes),
        "expires_at": expires_at,
    }
    await connection.execute(api_keys.insert().values(values))


async def find_principal(connection: Connection, key_hash: bytes) -> Principal | None:
    """Return who holds the key; None when it is unknown, expired or revoked."""
    query = (
        select(tenants.c.id, tenants.c.environment, tenants.c.is_enabled, api_keys.c.scopes)
        .join_from(api_keys, tenants, api_keys.c.tenant_id == tenants.c.id)
        .where(
            api_keys.c.key_hash == key_hash,
            api_keys.c.revoked_at.is_(None),
            or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.now()),
        )
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    return Principal(
        tenant_id=row.id,
        environment=Environment(row.environment),
        tenant_is_enabled=row.is_enabled,
        scopes=frozenset(row.scopes),
    )

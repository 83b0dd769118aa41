"""Tenants and API keys."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, text

from domain.tenants import ApiKey, Environment, Principal, Tenant
from storage.database import Connection
from storage.errors import storage_errors
from storage.tables import api_keys, tenants

_RECORD_USE = text("""
    UPDATE api_keys AS k SET last_used_at = greatest(k.last_used_at, u.used_at)
    FROM unnest(CAST(:key_ids AS uuid[]), CAST(:used_ats AS timestamptz[])) AS u (key_id, used_at)
    WHERE k.id = u.key_id
""")

_FIND_PRINCIPAL = (
    select(
        api_keys.c.id.label("key_id"),
        tenants.c.id,
        tenants.c.environment,
        tenants.c.is_enabled,
        api_keys.c.scopes,
    )
    .join_from(api_keys, tenants, api_keys.c.tenant_id == tenants.c.id)
    .where(
        api_keys.c.key_hash == bindparam("key_hash"),
        api_keys.c.revoked_at.is_(None),
        or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.now()),
    )
)


async def create_tenant(connection: Connection, *, tenant_id: UUID, slug: str, environment: Environment) -> None:
    """Insert one environment of a tenant. The caller commits.

    Raises:
        DataRefusedError: the slug has that environment already.
    """
    values = {"id": tenant_id, "slug": slug, "environment": environment.value}
    with storage_errors():
        await connection.execute(tenants.insert().values(values))


async def find_tenant(connection: Connection, *, slug: str, environment: Environment) -> UUID | None:
    """Return the id of a tenant's environment; None when there is none."""
    query = select(tenants.c.id).where(tenants.c.slug == slug, tenants.c.environment == environment.value)
    return (await connection.execute(query)).scalar_one_or_none()


async def list_tenants(connection: Connection) -> Sequence[Tenant]:
    """Return every environment of every tenant, by slug."""
    rows = (await connection.execute(select(*tenants.c).order_by(tenants.c.slug, tenants.c.environment))).mappings()
    return [Tenant(**{**row, "environment": Environment(row["environment"])}) for row in rows]


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


async def list_keys(connection: Connection, *, tenant_ids: Collection[UUID]) -> Sequence[ApiKey]:
    """Return the keys of the tenants, oldest first; revoked and expired ones too."""
    columns = [column for column in api_keys.c if column.name != "key_hash"]
    query = select(*columns).where(api_keys.c.tenant_id.in_(tenant_ids)).order_by(api_keys.c.created_at)
    rows = (await connection.execute(query)).mappings()
    return [ApiKey(**{**row, "scopes": frozenset(row["scopes"])}) for row in rows]


async def revoke_key(connection: Connection, *, key_id: UUID) -> bool:
    """Revoke a key, once: a second time keeps the first date. False when there is no such key. The caller commits."""
    update = (
        api_keys.update()
        .where(api_keys.c.id == key_id)
        .values(revoked_at=func.coalesce(api_keys.c.revoked_at, func.now()))
    )
    return (await connection.execute(update)).rowcount > 0


async def record_key_use(connection: Connection, last_used: Mapping[UUID, datetime]) -> None:
    """Note when keys were last used; a later date that is there already stays. The caller commits."""
    ordered = sorted(last_used.items())
    await connection.execute(
        _RECORD_USE, {"key_ids": [key_id for key_id, _ in ordered], "used_ats": [used_at for _, used_at in ordered]}
    )


async def find_principal(connection: Connection, key_hash: bytes) -> Principal | None:
    """Return who holds the key; None when it is unknown, expired or revoked."""
    row = (await connection.execute(_FIND_PRINCIPAL, {"key_hash": key_hash})).first()
    if row is None:
        return None
    return Principal(
        key_id=row.key_id,
        tenant_id=row.id,
        environment=Environment(row.environment),
        tenant_is_enabled=row.is_enabled,
        scopes=frozenset(row.scopes),
    )

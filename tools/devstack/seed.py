"""The demo tenant: two environments, four keys, some badges."""

import secrets
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

from domain.badges import NewBadge, Rarity
from domain.errors import BadgeCodeConflictError
from domain.tenants import Environment, hash_key, new_key
from storage.badges import create_badge
from storage.database import Connection, Database
from storage.tenants import create_key, create_tenant, find_tenant, list_keys

SLUG = "demo"

BADGES = (
    NewBadge(
        code="first_steps",
        name="First Steps",
        description="Log in for the first time.",
        category="onboarding",
        display_order=1,
    ),
    NewBadge(
        code="power_user",
        name="Power User",
        description="Log in 10 times.",
        icon_url="https://cdn.example.com/badges/power.png",
        badge_color="#7C3AED",
        rarity=Rarity.RARE,
        category="engagement",
        display_order=10,
    ),
    NewBadge(
        code="night_owl",
        name="Night Owl",
        description="A surprise.",
        rarity=Rarity.EPIC,
        category="engagement",
        is_hidden=True,
        display_order=20,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTenant:
    """The ids of both environments, and a key and an admin key for each, in plain text."""

    id: str
    live_key: str
    live_admin_key: str
    test_id: str
    test_key: str
    test_admin_key: str


async def seed_demo_tenant(database_url: str, known: DemoTenant | None) -> DemoTenant:
    """Have the demo tenant in the database; return `known` if its keys still work.

    Raises:
        StorageError: Postgres did not do it.
    """
    database = Database(database_url, application="badges-seed", pool_size=1)
    try:
        async with database.transaction() as connection:
            if known is not None and await _still_works(connection, known):
                return known
            live_id, live_key, live_admin_key = await _environment(connection, Environment.LIVE)
            test_id, test_key, test_admin_key = await _environment(connection, Environment.TEST)
    finally:
        await database.close()
    return DemoTenant(
        id=str(live_id),
        live_key=live_key,
        live_admin_key=live_admin_key,
        test_id=str(test_id),
        test_key=test_key,
        test_admin_key=test_admin_key,
    )


async def _still_works(connection: Connection, known: DemoTenant) -> bool:
    for environment, known_id, known_keys in (
        (Environment.LIVE, known.id, (known.live_key, known.live_admin_key)),
        (Environment.TEST, known.test_id, (known.test_key, known.test_admin_key)),
    ):
        tenant_id = await find_tenant(connection, slug=SLUG, environment=environment)
        if tenant_id is None or str(tenant_id) != known_id:
            return False
        working = {key.id for key in await list_keys(connection, tenant_ids=[tenant_id]) if key.revoked_at is None}
        if not working.issuperset(_key_id(tenant_id, key) for key in known_keys):
            return False
    return True


def _key_id(tenant_id: UUID, key: str) -> UUID:
    """Derived, so that the key is found again by whoever may not read hashes, as `badges_operator` may not."""
    return uuid5(tenant_id, hash_key(key).hex())


async def _environment(connection: Connection, environment: Environment) -> tuple[UUID, str, str]:
    """Make what is missing of one environment; return its id, a new key and a new admin key."""
    tenant_id = await find_tenant(connection, slug=SLUG, environment=environment)
    if tenant_id is None:
        tenant_id = uuid4()
        await create_tenant(connection, tenant_id=tenant_id, slug=SLUG, environment=environment)
    for badge in BADGES:
        try:
            async with connection.begin_nested():
                await create_badge(connection, badge_id=uuid4(), tenant_id=tenant_id, badge=badge)
        except BadgeCodeConflictError:
            continue
    key = await _key(connection, tenant_id, environment, name="demo", scopes=())
    admin_key = await _key(connection, tenant_id, environment, name="demo admin", scopes=("admin",))
    return tenant_id, key, admin_key


async def _key(
    connection: Connection,
    tenant_id: UUID,
    environment: Environment,
    *,
    name: str,
    scopes: tuple[str, ...],
) -> str:
    key = new_key(environment, secrets.token_bytes)
    await create_key(
        connection,
        key_id=_key_id(tenant_id, key),
        key_hash=hash_key(key),
        tenant_id=tenant_id,
        name=name,
        scopes=scopes,
    )
    return key

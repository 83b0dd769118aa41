"""The option `--tenant`: of commands that look at one tenant or at all, and of those that mean one environment."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from badgectl import addresses
from badgectl.failures import CommandError
from badgectl.tenant_lookup import find_tenants
from domain.tenants import Environment
from storage.database import Connection
from storage.tenants import find_tenant, list_tenants

TenantOrAll = Annotated[
    str | None,
    typer.Option("--tenant", metavar="SLUG|ID", help="Only this tenant: its short name, or an environment's id."),
]


TenantMeant = Annotated[
    str | None,
    typer.Option("--tenant", metavar="SLUG|ID", help="Short name or id. Default: the demo tenant of the stack here."),
]
EnvironmentMeant = Annotated[
    Environment | None,
    typer.Option("--environment", help="Which of the tenant's. Default: the id's own; of a short name, live."),
]


async def chosen_tenants(connection: Connection, given: str | None) -> Sequence[UUID] | None:
    """Return the ids of the environments that were asked for; None for all.

    An id need not be a tenant's: requests for unknown tenants have one too.

    Raises:
        CommandError: no tenant has that short name.
    """
    if given is None:
        return None
    try:
        return [UUID(given)]
    except ValueError:
        return [tenant.id for tenant in await find_tenants(connection, given, None)]


async def meant_tenant(connection: Connection, given: str | None, environment: Environment | None) -> UUID:
    """Return the id of the environment that is meant. An id that no tenant has may be asked for too.

    Raises:
        CommandError: no tenant has that short name and environment, or none is given and no stack is here.
    """
    slug = given
    try:
        tenant_id = addresses.tenant_id(given)
    except CommandError:
        if given is None:
            raise
    else:
        if environment is None:
            return tenant_id
        slug = next((known.slug for known in await list_tenants(connection) if known.id == tenant_id), str(tenant_id))
    world = environment or Environment.LIVE
    found = await find_tenant(connection, slug=str(slug), environment=world)
    if found is None:
        raise CommandError(f"there is no tenant {slug!r} with a {world} environment; `badgectl tenants list` shows all")
    return found

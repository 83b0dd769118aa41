"""The option `--tenant` of commands that look at one tenant or at all."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from badgectl.tenant_lookup import find_tenants
from storage.database import Connection

TenantOrAll = Annotated[
    str | None,
    typer.Option("--tenant", metavar="SLUG|ID", help="Only this tenant: its short name, or an environment's id."),
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

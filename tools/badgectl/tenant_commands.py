"""`badgectl tenants`: who may call."""

from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

import typer

from badgectl.database_calls import in_database
from badgectl.failures import CommandError, failures_told
from badgectl.tenant_lookup import EnvironmentOrBoth, Slug, check_slug, find_tenants
from badgectl.tenant_tables import print_tenants
from domain.errors import DataRefusedError
from domain.tenants import Environment, Tenant
from storage.database import Connection
from storage.tenants import create_tenant, list_tenants, set_tenant_enabled

tenants = typer.Typer(help="Tenants: each has a live and a test environment that share nothing.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@tenants.command("create")
def create_tenant_command(slug: Slug, *, as_json: _Json = False) -> None:
    """Make a tenant with both environments."""
    with failures_told():
        check_slug(slug)

    async def make(connection: Connection) -> Sequence[Tenant]:
        try:
            for environment in Environment:
                await create_tenant(connection, tenant_id=uuid4(), slug=slug, environment=environment)
        except DataRefusedError as error:
            raise CommandError(f"there is a tenant {slug!r} already") from error
        return await find_tenants(connection, slug, None)

    print_tenants(in_database(make), as_json=as_json)


@tenants.command("list")
def list_tenants_command(*, as_json: _Json = False) -> None:
    """Show every tenant's environments."""
    print_tenants(in_database(list_tenants), as_json=as_json)


@tenants.command("disable")
def disable_tenant(slug: Slug, *, environment: EnvironmentOrBoth = None, as_json: _Json = False) -> None:
    """Refuse the tenant's keys (403), on every gateway within 5 s, and dead-letter its requests."""
    _set_enabled(slug, environment, is_enabled=False, as_json=as_json)


@tenants.command("enable")
def enable_tenant(slug: Slug, *, environment: EnvironmentOrBoth = None, as_json: _Json = False) -> None:
    """Let the tenant's keys work again."""
    _set_enabled(slug, environment, is_enabled=True, as_json=as_json)


def _set_enabled(slug: str, environment: Environment | None, *, is_enabled: bool, as_json: bool) -> None:
    async def change(connection: Connection) -> Sequence[Tenant]:
        for tenant in await find_tenants(connection, slug, environment):
            await set_tenant_enabled(connection, tenant_id=tenant.id, is_enabled=is_enabled)
        return await find_tenants(connection, slug, environment)

    print_tenants(in_database(change), as_json=as_json)

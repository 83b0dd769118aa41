"""Tenants by their short names."""

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from badgectl.failures import CommandError
from domain.tenants import Environment, Tenant
from storage.database import Connection
from storage.tenants import list_tenants

Slug = Annotated[str, typer.Argument(help="The tenant's short name: a-z, 0-9, - and _, at most 63.")]
EnvironmentOrBoth = Annotated[Environment | None, typer.Option("--environment", help="Only this one. Default: both.")]

_SLUG = re.compile(r"[a-z0-9_-]{1,63}", re.ASCII)


def check_slug(slug: str) -> None:
    """Return when a tenant may have this short name.

    Raises:
        CommandError: it is empty, too long, or holds another character.
    """
    if not _SLUG.fullmatch(slug):
        raise CommandError(
            f"a tenant's short name has 1 to 63 lower-case letters (a-z), digits, '-' or '_', unlike {slug!r}"
        )


async def find_tenants(connection: Connection, slug: str, environment: Environment | None) -> Sequence[Tenant]:
    """Return the tenant's environments, or the one that is asked for.

    Raises:
        CommandError: there is none.
    """
    wanted = set(Environment) if environment is None else {environment}
    found = [t for t in await list_tenants(connection) if t.slug == slug and t.environment in wanted]
    if not found:
        raise CommandError(f"there is no tenant {slug!r}: `badgectl tenants list` shows all")
    return found

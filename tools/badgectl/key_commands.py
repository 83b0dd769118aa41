"""`badgectl keys`: with what tenants call."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from badgectl.database_calls import in_database
from badgectl.failures import CommandError, failures_told
from badgectl.tenant_lookup import EnvironmentOrBoth, Slug, find_tenants
from badgectl.tenant_tables import print_keys
from badgectl.terminal_text import json_line
from domain.errors import InvalidValueError
from domain.tenants import ADMIN_SCOPES, ApiKey, Environment, Tenant, hash_key, new_key
from domain.times import parse_instant, utc_now
from storage.database import Connection
from storage.tenants import create_key, list_keys, revoke_key

keys = typer.Typer(help="API keys of a tenant's environments.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@keys.command("create")
def create_key_command(
    slug: Slug,
    *,
    environment: Annotated[Environment, typer.Option(help="Which world the key is for.")] = Environment.LIVE,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="admin or gamify:admin; may be given twice.")] = None,
    expires: Annotated[str | None, typer.Option(help="RFC 3339 with a zone, or days: 90d.")] = None,
    as_json: _Json = False,
) -> None:
    """Make a key. Its plain text is shown now and never again."""
    scopes = scope or []

    async def make(connection: Connection) -> dict[str, Any]:
        (tenant,) = await find_tenants(connection, slug, environment)
        key, key_id = new_key(environment, secrets.token_bytes), uuid4()
        await create_key(
            connection,
            key_id=key_id,
            key_hash=hash_key(key),
            tenant_id=tenant.id,
            name=name,
            scopes=scopes,
            expires_at=expires_at,
        )
        return {"id": str(key_id), "key": key, "tenant_id": str(tenant.id), "scopes": scopes}

    with failures_told():
        unknown = set(scopes) - ADMIN_SCOPES
        if unknown:
            raise CommandError(f"unknown scope {min(unknown)!r}; known: {', '.join(sorted(ADMIN_SCOPES))}")
        expires_at = _expiry(expires)
    made = in_database(make)
    if as_json:
        typer.echo(json_line(made))
    else:
        typer.echo(f"{made['key']}\nKeep it: it is shown only now. Its id, to revoke it: {made['id']}")


@keys.command("list")
def list_keys_command(slug: Slug, *, environment: EnvironmentOrBoth = None, as_json: _Json = False) -> None:
    """Show a tenant's keys: their names, scopes and dates; never their text."""

    async def look(connection: Connection) -> tuple[Sequence[Tenant], Sequence[ApiKey]]:
        found = await find_tenants(connection, slug, environment)
        return found, await list_keys(connection, tenant_ids=[tenant.id for tenant in found])

    print_keys(*in_database(look), as_json=as_json)


@keys.command("revoke")
def revoke_key_command(
    key_id: Annotated[UUID, typer.Argument(help="From `badgectl keys list`.")], *, as_json: _Json = False
) -> None:
    """Have a key refused (401), on every gateway within 5 s, for ever."""

    async def revoke(connection: Connection) -> None:
        if not await revoke_key(connection, key_id=key_id):
            raise CommandError(f"there is no key {key_id}")

    in_database(revoke)
    typer.echo(json_line({"id": str(key_id), "revoked": True}) if as_json else "Revoked.")


def _expiry(text: str | None) -> datetime | None:
    if text is None:
        return None
    now = utc_now()
    try:
        if text.endswith("d") and text[:-1].isdecimal():
            expires_at = now + timedelta(days=int(text[:-1]))
        else:
            expires_at = parse_instant("--expires", text)
    except OverflowError as error:
        raise CommandError(f"--expires {text} is too far away") from error
    except InvalidValueError as error:
        raise CommandError(f"{error}, or days: 90d") from error
    if expires_at <= now:
        raise CommandError("--expires must be in the future")
    return expires_at

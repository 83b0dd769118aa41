"""`badgectl tenants` and `badgectl keys`: who may call, and as whom."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

import typer
from rich.markup import escape
from rich.table import Column, Table

from badgectl import addresses
from badgectl.failures import CommandError, failures_told
from badgectl.terminal_text import json_line, printable, result_console
from domain.errors import DataRefusedError, InvalidValueError
from domain.tenants import ADMIN_SCOPES, ApiKey, Environment, Tenant, hash_key, new_key
from domain.times import format_instant, parse_instant, utc_now
from storage.database import Connection, Database
from storage.tenants import (
    create_key,
    create_tenant,
    list_keys,
    list_tenants,
    revoke_key,
    set_tenant_enabled,
)

tenants = typer.Typer(help="Tenants: each has a live and a test environment that share nothing.", no_args_is_help=True)
keys = typer.Typer(help="API keys of a tenant's environments.", no_args_is_help=True)

Result = TypeVar("Result")

_Slug = Annotated[str, typer.Argument(help="The tenant's short name.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Env = Annotated[Environment | None, typer.Option("--environment", help="Only this one. Default: both.")]


@tenants.command("create")
def create_tenant_command(slug: _Slug, *, as_json: _Json = False) -> None:
    """Make a tenant with both environments."""

    async def make(connection: Connection) -> Sequence[Tenant]:
        try:
            for environment in Environment:
                await create_tenant(connection, tenant_id=uuid4(), slug=slug, environment=environment)
        except DataRefusedError as error:
            raise CommandError(f"there is a tenant {slug!r} already") from error
        return await _tenants_of(connection, slug, None)

    _print_tenants(_in_database(make), as_json=as_json)


@tenants.command("list")
def list_tenants_command(*, as_json: _Json = False) -> None:
    """Show every tenant's environments."""
    _print_tenants(_in_database(list_tenants), as_json=as_json)


@tenants.command("disable")
def disable_tenant(slug: _Slug, *, environment: _Env = None) -> None:
    """Refuse the tenant's keys (403), on every gateway within 5 s, and dead-letter its requests."""
    _set_enabled(slug, environment, is_enabled=False)


@tenants.command("enable")
def enable_tenant(slug: _Slug, *, environment: _Env = None) -> None:
    """Let the tenant's keys work again."""
    _set_enabled(slug, environment, is_enabled=True)


@keys.command("create")
def create_key_command(
    slug: _Slug,
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
        (tenant,) = await _tenants_of(connection, slug, environment)
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
    made = _in_database(make)
    if as_json:
        typer.echo(json_line(made))
    else:
        typer.echo(f"{made['key']}\nKeep it: it is shown only now. Its id, to revoke it: {made['id']}")


@keys.command("list")
def list_keys_command(slug: _Slug, *, environment: _Env = None, as_json: _Json = False) -> None:
    """Show a tenant's keys: their names, scopes and dates; never their text."""

    async def look(connection: Connection) -> Sequence[ApiKey]:
        found = await _tenants_of(connection, slug, environment)
        return await list_keys(connection, tenant_ids=[tenant.id for tenant in found])

    _print_rows(
        ("id", "tenant_id", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"),
        _in_database(look),
        as_json=as_json,
    )


@keys.command("revoke")
def revoke_key_command(key_id: Annotated[UUID, typer.Argument(help="From `badgectl keys list`.")]) -> None:
    """Have a key refused (401), on every gateway within 5 s, for ever."""

    async def revoke(connection: Connection) -> None:
        if not await revoke_key(connection, key_id=key_id):
            raise CommandError(f"there is no key {key_id}")

    _in_database(revoke)
    typer.echo("Revoked.")


def _set_enabled(slug: str, environment: Environment | None, *, is_enabled: bool) -> None:
    async def change(connection: Connection) -> Sequence[Tenant]:
        for tenant in await _tenants_of(connection, slug, environment):
            await set_tenant_enabled(connection, tenant_id=tenant.id, is_enabled=is_enabled)
        return await _tenants_of(connection, slug, environment)

    _print_tenants(_in_database(change), as_json=False)


async def _tenants_of(connection: Connection, slug: str, environment: Environment | None) -> Sequence[Tenant]:
    wanted = set(Environment) if environment is None else {environment}
    found = [t for t in await list_tenants(connection) if t.slug == slug and t.environment in wanted]
    if not found:
        raise CommandError(f"there is no tenant {slug!r}")
    return found


def _in_database(work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Do `work` in one transaction, and tell of failures."""

    async def run() -> Result:
        database = Database(addresses.database_url(), application="badgectl", pool_size=1)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    with failures_told():
        return asyncio.run(run())
    raise typer.Exit(1)


def _expiry(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if text.endswith("d") and text[:-1].isdecimal():
            return utc_now() + timedelta(days=int(text[:-1]))
        return parse_instant("--expires", text)
    except (InvalidValueError, OverflowError) as error:
        raise CommandError(f"{error}, or days: 90d") from error


def _print_tenants(found: Sequence[Tenant], *, as_json: bool) -> None:
    _print_rows(("slug", "environment", "id", "is_enabled", "created_at"), found, as_json=as_json)


def _print_rows(columns: Sequence[str], rows: Sequence[object], *, as_json: bool) -> None:
    records = [{column: _plain(getattr(row, column)) for column in columns} for row in rows]
    if as_json:
        typer.echo(json_line(records))
        return
    table = Table(*(Column(column.replace("_", " "), overflow="fold") for column in columns), box=None)
    for record in records:
        table.add_row(*(escape(printable(_shown(value))) for value in record.values()))
    result_console().print(table)


def _plain(value: object) -> object:
    match value:
        case datetime():
            return format_instant(value)
        case UUID() | Environment():
            return str(value)
        case frozenset():
            return sorted(value)
        case _:
            return value


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(value) or "-"
        case _:
            return str(value)

"""Tenants and keys: tables for people, 80 columns wide, and JSON for programs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Column, Table

from badgectl.terminal_text import json_line, printable, result_console
from domain.tenants import ApiKey, Environment, Tenant
from domain.times import format_instant, utc_now

_TENANT_FIELDS = ("slug", "environment", "id", "is_enabled", "created_at")
_KEY_FIELDS = ("id", "tenant_id", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")

_FOLDED = ("slug", "name, scopes")


def print_tenants(found: Sequence[Tenant], *, as_json: bool) -> None:
    """Print one row for each environment."""
    if as_json:
        typer.echo(_json(_TENANT_FIELDS, found))
        return
    _print_table(
        ("slug", "environment", "id", "enabled", "created"),
        [(t.slug, t.environment.value, str(t.id), "yes" if t.is_enabled else "no", _day(t.created_at)) for t in found],
    )


def print_keys(tenants: Sequence[Tenant], found: Sequence[ApiKey], *, as_json: bool) -> None:
    """Print one row for each key; `tenants` are the environments they belong to. JSON alone has every date."""
    if as_json:
        typer.echo(_json(_KEY_FIELDS, found))
        return
    environments, now = {tenant.id: tenant.environment.value for tenant in tenants}, utc_now()
    _print_table(
        ("id", "env", "name, scopes", "last used", "works"),
        [
            (
                str(key.id),
                environments[key.tenant_id],
                "\n".join((key.name or "-", *sorted(key.scopes))),
                "-" if key.last_used_at is None else _day(key.last_used_at),
                _works(key, now),
            )
            for key in found
        ],
    )


def _works(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked\n{_day(key.revoked_at)}"
    if key.expires_at is None:
        return "yes"
    return f"{'expired' if key.expires_at <= now else 'until'}\n{_day(key.expires_at)}"


def _day(instant: datetime) -> str:
    return instant.astimezone(UTC).date().isoformat()


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    heads = (Column(name, overflow="fold", no_wrap=name not in _FOLDED) for name in columns)
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("\n".join(escape(printable(line)) for line in cell.split("\n")) for cell in row))
    result_console().print(table)


def _json(fields: Sequence[str], rows: Sequence[object]) -> str:
    return json_line([{name: _plain(getattr(row, name)) for name in fields} for row in rows])


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

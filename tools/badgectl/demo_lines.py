"""What is shown of the demo tenant: ids, keys, and lines to paste."""

from collections.abc import Sequence

import typer
from rich.console import Console
from rich.markup import escape

from devstack.seed import DemoTenant


def tenant_rows(tenant: DemoTenant) -> Sequence[tuple[str, str]]:
    """Return each fact of the tenant and its name."""
    return (
        ("live tenant", tenant.id),
        ("live key", tenant.live_key),
        ("live admin key", tenant.live_admin_key),
        ("test tenant", tenant.test_id),
        ("test key", tenant.test_key),
        ("test admin key", tenant.test_admin_key),
    )


def print_rows(rows: Sequence[tuple[str, str]], console: Console) -> None:
    """Print names and values below one another."""
    for name, value in rows:
        console.print(f"[bold]{name:<15}[/] {escape(value)}", soft_wrap=True, highlight=False)


def print_lines_to_paste(url: str, key: str) -> None:
    """Print calls of the gateway; not through Rich: what is pasted must be one line."""
    award = (
        f"curl -sS -w '\\n' -X POST {url}/api/v1/gamify/badges/award -H 'X-API-Key: {key}' "
        '-H \'Content-Type: application/json\' -d \'{"participant_id": "user_123", "badge_code": "power_user"}\''
    )
    badges = f"curl -sS -w '\\n' {url}/api/v1/gamify/participants/user_123/badges -H 'X-API-Key: {key}'"
    typer.echo(
        f"\nAward a badge:\n{award}\n\nOnce more, now with already_earned: true:\n{award}\n\nList them:\n{badges}\n"
    )

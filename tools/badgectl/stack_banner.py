"""What `badgectl up` prints of a stack that is ready."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from devstack.stack import RunningStack


def introduce(stack: RunningStack, console: Console) -> None:
    """Print where everything is, and lines to paste."""
    plan, tenant = stack.plan, stack.tenant
    first, *others = plan.api_urls
    console.print()
    for name, value in (
        ("API", f"{first}   (docs: {first}/docs)"),
        *(("", url) for url in others),
        *(("worker" if number == 0 else "", url) for number, url in enumerate(plan.worker_urls)),
        ("Kafka", plan.kafka_bootstrap),
        ("Postgres", f"127.0.0.1:{plan.postgres}   (connection string: .badges/stack.json)"),
        ("live tenant", tenant.id),
        ("live key", tenant.live_key),
        ("live admin key", tenant.live_admin_key),
        ("test tenant", tenant.test_id),
        ("test key", tenant.test_key),
        ("test admin key", tenant.test_admin_key),
    ):
        console.print(f"[bold]{name:<15}[/] {escape(value)}", soft_wrap=True, highlight=False)
    award = (
        f"curl -sS -w '\\n' -X POST {first}/api/v1/gamify/badges/award -H 'X-API-Key: {tenant.live_key}' "
        '-H \'Content-Type: application/json\' -d \'{"participant_id": "user_123", "badge_code": "power_user"}\''
    )
    badges = f"curl -sS -w '\\n' {first}/api/v1/gamify/participants/user_123/badges -H 'X-API-Key: {tenant.live_key}'"
    # Not through Rich: what is pasted must be one line.
    typer.echo(
        f"\nAward a badge:\n{award}\n\nOnce more, now with already_earned: true:\n{award}\n\nList them:\n{badges}\n"
    )
    sys.stdout.flush()

"""`badgectl demo`: a tenant to try an installation with."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from badgectl import addresses
from badgectl.demo_lines import print_lines_to_paste, print_rows, tenant_rows
from badgectl.failures import CommandError, failures_told
from badgectl.terminal_text import result_console
from devstack.files import write_private
from devstack.seed import DemoTenant, seed_demo_tenant


def demo(
    *,
    url: Annotated[str, typer.Option(help="Where the commands here reach the gateway.")] = "http://127.0.0.1:8000",
    shown_url: Annotated[str | None, typer.Option(help="Where you reach it, if that is another address.")] = None,
) -> None:
    """Have a demo tenant in the database (BADGES_DATABASE_URL), and show its keys.

    They are kept in .badges of the current folder: the other commands here use them, and the next `badgectl demo`
    shows the same ones.
    """
    with failures_told():
        tenant = asyncio.run(seed_demo_tenant(addresses.database_url(), _known()))
        addresses.STACK_FILE.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(addresses.STACK_FILE, json.dumps({"api_url": url, "tenant": asdict(tenant)}, indent=2) + "\n")
    console = result_console()
    print_rows((("API", shown_url or url), *tenant_rows(tenant)), console)
    print_lines_to_paste(shown_url or url, tenant.live_key)


def _known() -> DemoTenant | None:
    """Return the tenant that this command has left here.

    Raises:
        CommandError: what is here is not its own.
    """
    if not addresses.STACK_FILE.exists():
        return None
    try:
        found: Mapping[str, Any] = json.loads(addresses.STACK_FILE.read_text(encoding="utf-8"))
        is_of_a_stack, tenant = "pids" in found, DemoTenant(**found["tenant"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CommandError(f"{addresses.STACK_FILE} cannot be read: {error}") from error
    if is_of_a_stack:
        raise CommandError("the stack of `badgectl up` in this folder has a demo tenant: see .badges/stack.json")
    return tenant

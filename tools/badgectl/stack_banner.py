"""What `badgectl up` prints of a stack that is ready."""

import sys

from rich.console import Console

from badgectl.demo_lines import print_lines_to_paste, print_rows, tenant_rows
from devstack.stack import RunningStack


def introduce(stack: RunningStack, console: Console) -> None:
    """Print where everything is, and lines to paste."""
    plan = stack.plan
    first, *others = plan.api_urls
    console.print()
    rows = (
        ("API", f"{first}   (docs: {first}/docs)"),
        *(("", url) for url in others),
        *(("worker" if number == 0 else "", url) for number, url in enumerate(plan.worker_urls)),
        ("Kafka", plan.kafka_bootstrap),
        ("Postgres", f"127.0.0.1:{plan.postgres}   (connection string: .badges/stack.json)"),
    )
    print_rows((*rows, *tenant_rows(stack.tenant)), console)
    print_lines_to_paste(first, stack.tenant.live_key)
    sys.stdout.flush()

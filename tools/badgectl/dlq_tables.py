"""Rejected requests on a terminal, in 80 columns, and as JSON."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from badgectl.dlq_filters import id_of
from badgectl.terminal_text import printable
from domain.tenants import Environment
from domain.times import format_instant
from storage.rejections import Rejection, RejectionCount


def rejection_json(rejection: Rejection) -> Mapping[str, object]:
    """Return the whole row."""
    return {
        "id": id_of(rejection.position),
        "topic": rejection.position.topic,
        "partition": rejection.position.partition,
        "offset": rejection.position.offset,
        "timestamp_ms": rejection.position.timestamp_ms,
        "reason": rejection.reason,
        "detail": rejection.detail,
        **_tenant_json(rejection.tenant_id, rejection.tenant),
        "participant_id": rejection.participant_id,
        "badge_code": rejection.badge_code,
        "request_id": rejection.request_id,
        "rejected_at": format_instant(rejection.rejected_at),
        "redriven_at": rejection.redriven_at and format_instant(rejection.redriven_at),
    }


def count_json(count: RejectionCount) -> Mapping[str, object]:
    """Return one line of the summary."""
    tenant = _tenant_json(count.tenant_id, count.tenant)
    return {"reason": count.reason, **tenant, "requests": count.requests, "redriven": count.redriven}


def print_rejections(console: Console, rejections: Sequence[Rejection]) -> None:
    """Print id, time and reason of each, and below who asked for what, and what was wrong."""
    for rejection in rejections:
        at = format_instant(rejection.rejected_at.replace(microsecond=0))
        _print(console, f"{id_of(rejection.position)}  {at}  {rejection.reason}")
        asked = [rejection.participant_id, rejection.badge_code]
        who = [tenant_text(rejection.tenant_id, rejection.tenant), *(text for text in asked if text is not None)]
        redriven = [] if rejection.redriven_at is None else ["redriven"]
        _print(console, f"    {'  '.join([*who, *redriven])}")
        _print(console, f"    {rejection.detail}")


def print_summary(console: Console, counts: Sequence[RejectionCount], *, by_tenant: bool) -> None:
    """Print how many there are for each reason; of each tenant, if asked."""
    table = Table("reason", *(["tenant"] if by_tenant else []), "requests", "redriven", box=None)
    for column in table.columns[-2:]:
        column.justify = "right"
    for (reason, tenant), (requests, redriven) in _totals(counts, by_tenant=by_tenant).items():
        names = [reason, tenant] if by_tenant else [reason]
        table.add_row(*(escape(printable(name)) for name in names), f"{requests:,}", f"{redriven:,}")
    console.print(table)


def tenant_text(tenant_id: UUID | None, tenant: tuple[str, Environment] | None) -> str:
    """Return the tenant's name, else its id, else that there is none."""
    if tenant is not None:
        return f"{tenant[0]} ({tenant[1]})"
    return "no tenant" if tenant_id is None else f"tenant {tenant_id}"


def _totals(counts: Sequence[RejectionCount], *, by_tenant: bool) -> Mapping[tuple[str, str], tuple[int, int]]:
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for count in counts:
        line = (count.reason, tenant_text(count.tenant_id, count.tenant) if by_tenant else "")
        requests, redriven = totals.get(line, (0, 0))
        totals[line] = (requests + count.requests, redriven + count.redriven)
    return totals


def _tenant_json(tenant_id: UUID | None, tenant: tuple[str, Environment] | None) -> Mapping[str, object]:
    slug, environment = (None, None) if tenant is None else (tenant[0], tenant[1].value)
    return {"tenant_id": tenant_id and str(tenant_id), "tenant": slug, "environment": environment}


def _print(console: Console, line: str) -> None:
    console.print(escape(printable(line)), soft_wrap=True, highlight=False)

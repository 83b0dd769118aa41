"""An explanation for people."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Column, Table

from badgectl.terminal_text import printable
from domain.badges import Badge
from domain.explanation_notes import notes_on
from domain.explanations import EventState, ExplainedAward, ExplainedRejection, Explanation, RecordPlace, Way
from domain.times import format_instant

_EVENT = {
    EventState.EMITTED: "emitted",
    EventState.BEING_PUBLISHED: "being published",
    EventState.WAITING: "waits in the outbox",
}


def explanation_table(explanation: Explanation) -> Table:
    """Names on the left, facts on the right, in the end what follows from them."""
    table = Table(Column(style="bold", no_wrap=True), Column(overflow="fold"), box=None, show_header=False)
    for name, fact in _facts(explanation):
        table.add_row(name, escape(printable(fact)))
    for note in notes_on(explanation):
        table.add_row("note", escape(printable(note)))
    return table


def _facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    yield "status", explanation.status.replace("_", " ")
    yield "participant", explanation.participant_id
    yield "badge", _definition(explanation.badge_code, explanation.badge)
    tenant = explanation.tenant
    if tenant is None:
        yield "tenant", f"{explanation.tenant_id}, unknown"
    else:
        yield "tenant", f"{tenant.slug}, {tenant.environment}" + ("" if tenant.is_enabled else ", disabled")
    if explanation.award is not None:
        yield from _award(explanation.award)
    for rejection in explanation.rejections:
        yield "rejected", _rejection(rejection)
    if explanation.has_more_rejections:
        yield "rejected", "… and more before these"


def _definition(code: str, badge: Badge | None) -> str:
    if badge is None:
        return f"{code}, not defined"
    return f"{code}: {badge.name}, {'active' if badge.is_active else 'not active'}{', hidden' * badge.is_hidden}"


def _award(award: ExplainedAward) -> Iterator[tuple[str, str]]:
    yield "earned at", format_instant(award.earned_at)
    yield "recorded at", format_instant(award.recorded_at)
    yield "request", award.request_id
    if award.came_over is Way.HTTP:
        key = "not known" if award.key_name is None else repr(award.key_name)
        yield "came over", f"HTTP, key {key}" + ("" if award.key_id is None else f" ({award.key_id})")
    else:
        yield "came over", f"Kafka, source {award.source or 'not given'}"
    yield "place", "not recorded" if award.place is None else _place(award.place)
    yield "event", f"{award.event_id}, {_EVENT[award.event]}"


def _rejection(rejection: ExplainedRejection) -> str:
    again = "" if rejection.redriven_at is None else f", published again {format_instant(rejection.redriven_at)}"
    return (
        f"{format_instant(rejection.rejected_at)} {rejection.reason} at {_place(rejection.place)}, "
        f"request {rejection.request_id or 'without id'}: {rejection.detail}{again}"
    )


def _place(place: RecordPlace) -> str:
    return f"{place.topic}/{place.partition}@{place.offset}"

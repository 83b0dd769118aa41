"""A round for people: a live view on a terminal, plain lines elsewhere, and tables in the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from chaos.suite.happenings import Happening
from chaos.suite.report import recovery_times
from chaos.suite.round import Round

LINES = 14
PLAIN_SECONDS = 10.0


@asynccontextmanager
async def shown(round_: Round, console: Console) -> AsyncIterator[None]:
    """Show the round while the context lasts."""
    if console.is_terminal:
        with Live(get_renderable=lambda: _view(round_), console=console, refresh_per_second=4):
            yield
        return
    round_.happenings.tell = lambda happening: console.print(_line(happening), highlight=False, soft_wrap=True)
    progress = asyncio.create_task(_plain_progress(round_, console))
    try:
        yield
    finally:
        progress.cancel()
        with suppress(asyncio.CancelledError):
            await progress


def print_result(round_: Round, console: Console) -> None:
    """Print how fast everything recovered, and what held."""
    console.print(_recoveries(round_))
    console.print(_invariants(round_))
    for invariant in round_.invariants:
        for example in invariant.examples:
            console.print(Text(f"{invariant.name}: {example}", style="red"), soft_wrap=True)


def _view(round_: Round) -> RenderableType:
    lines = Text("\n").join(Text(_line(happening)) for happening in round_.happenings.lines[-LINES:])
    return Group(
        Panel(_progress(round_), title=f"chaos, seed {round_.options.seed}"), Panel(lines, title="what happened")
    )


def _progress(round_: Round) -> Text:
    counts = round_.ledger.counts
    done = len(round_.recoveries) + len(round_.recovering)
    under_way = ", ".join(f"{fault.kind} {fault.target}" for fault in round_.under_way) or "none"
    return Text(
        f"{round_.phase}: {round_.happenings.now:.0f} of {round_.options.seconds:.0f} s; "
        f"faults {done} of {len(round_.faults)}, under way: {under_way}\n"
        f"http: {counts['http 200']} awarded, {counts['http 202']} accepted, {counts['http 404']} not found, "
        f"{counts['http 503']} unavailable, {counts['http unanswered']} unanswered, {counts['odd answers']} odd; "
        f"kafka: {counts['good records']} good, {counts['bad records']} bad; events: {round_.events_seen}"
    )


async def _plain_progress(round_: Round, console: Console) -> None:
    while True:
        await asyncio.sleep(PLAIN_SECONDS)
        console.print(_progress(round_), highlight=False, soft_wrap=True)


def _line(happening: Happening) -> str:
    return f"{happening.at:8.2f}  {happening.what}"


def _seconds(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}"


def _recoveries(round_: Round) -> Table:
    table = Table("fault", title="Seconds to recover, from the end of each fault")
    for heading in (
        "faults",
        "alone",
        "award, median",
        "max",
        "of all",
        "unseen",
        "event, median",
        "max",
        "of all",
        "unseen",
    ):
        table.add_column(heading, justify="right")
    for times in recovery_times(round_.recoveries):
        award = (times.award_median, times.award_max, times.award_longest)
        event = (times.event_median, times.event_max, times.event_longest)
        row = (*map(_seconds, award), str(times.award_unseen), *map(_seconds, event), str(times.event_unseen))
        table.add_row(times.kind, str(times.faults), str(times.measured), *row)
    return table


def _invariants(round_: Round) -> Table:
    settled = f", settled after {round_.rest.seconds} s" if round_.rest else ""
    table = Table("invariant", "says", title=f"{'Everything holds' if round_.holds else 'BROKEN'}{settled}")
    table.add_column("checked", justify="right")
    table.add_column("broken", justify="right")
    for one in round_.invariants:
        style = "bold red" if one.broken else None
        table.add_row(one.name, one.says, str(one.checked), str(one.broken), style=style)
    return table

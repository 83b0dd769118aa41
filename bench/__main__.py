"""`make bench`: measure everything side by side, on servers of its own, several rounds."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.display import line_of, print_results
from bench.effort import Effort
from bench.errors import BenchError
from bench.experiments import Experiment, chosen
from bench.machine import this_machine
from bench.page import write_page
from bench.processes import PROJECT
from bench.results import Results, summed_up
from bench.servers import open_servers
from bench.setting import Setting
from bench.wrk import find_wrk
from devstack.errors import StackError
from devstack.layout import StackFolder

FOLDER = PROJECT / ".badges" / "bench"
PAGE = PROJECT / "docs" / "performance.md"
_INTERRUPTED = 130

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was asked for."""

    experiments: Sequence[Experiment]
    rounds: int
    scale: float


@app.command()
def bench(
    *,
    rounds: Annotated[int, typer.Option(min=1, max=99, help="How often everything is measured.")] = 3,
    only: Annotated[list[str] | None, typer.Option(metavar="KEY", help="A measure or figure; again for more.")] = None,
    scale: Annotated[float, typer.Option(min=0.001, max=1, help="A part of the counts, for a quick look.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out 10 million awards and 5 million requests.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON instead of the tables.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write docs/performance.md.")] = False,
) -> None:
    """Measure side by side: ours, what a team would write itself, and what the hardware allows."""
    # Its warnings are of topics that are a moment old; what fails is an error of ours.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress_console = Console(stderr=True)
    try:
        run = Run(experiments=chosen(only or (), is_quick=quick), rounds=rounds, scale=scale)
        results = asyncio.run(_measured(run, progress_console))
    except (BenchError, StackError) as error:
        progress_console.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(_INTERRUPTED) from error
    results.save(FOLDER / "latest.json")
    if write:
        write_page(results, PAGE)
    if as_json:
        typer.echo(results.as_json(), nl=False)
    else:
        print_results(results, Console())


async def _measured(run: Run, console: Console) -> Results:
    wrk = find_wrk()
    started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    effort = Effort().scaled(run.scale)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    async with open_servers(StackFolder((FOLDER / "stack").resolve()), console) as servers, AsyncExitStack() as kept:
        machine = await this_machine(servers)
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            setting = Setting(servers=servers, wrk=wrk, effort=effort, kept=kept)
            rounds = await _rounds(run, setting, progress)
    return summed_up(rounds, started=started, scale=run.scale, effort=effort, machine=machine)


async def _rounds(run: Run, setting: Setting, progress: Progress) -> list[dict[str, float]]:
    once = [one for one in run.experiments if one.is_once]
    task = progress.add_task("", total=len(run.experiments) * run.rounds - len(once) * (run.rounds - 1))
    rounds: list[dict[str, float]] = []
    for number in range(run.rounds):
        setting.round = number
        rounds.append({})
        for experiment in run.experiments:
            if experiment.is_once and number:
                continue
            name = f"round {number + 1}: {experiment.name}"
            progress.update(task, description=name)
            found = await experiment.run(setting)
            progress.console.print(f"{name}: {line_of(found)}", highlight=False, soft_wrap=True)
            rounds[-1] |= found
            progress.advance(task)
    return rounds


if __name__ == "__main__":
    app()

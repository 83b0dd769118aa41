"""`make bench`: measure everything side by side, on servers of its own, several rounds."""

import asyncio
import logging
import signal
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from bench.display import print_results
from bench.errors import BenchError
from bench.experiments import chosen
from bench.page import write_page
from bench.processes import PROJECT
from bench.run import Run
from devstack.errors import StackError
from devstack.layout import StackFolder

FOLDER = PROJECT / ".badges" / "bench"
PAGE = PROJECT / "docs" / "performance.md"
_INTERRUPTED = 130

app = typer.Typer(add_completion=False)


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
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has what it runs in the background ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    progress_console = Console(stderr=True)
    FOLDER.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        run = Run(experiments=chosen(only or (), is_quick=quick), rounds=rounds, scale=scale)
        results = asyncio.run(run.measured(StackFolder((FOLDER / "stack").resolve()), progress_console))
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
    if results.failed:
        progress_console.print(f"[red]error:[/] not measured in every round: {', '.join(results.failed)}")
        raise typer.Exit(1)


if __name__ == "__main__":
    app()

"""`badgectl lag`: how far the workers and the relay are behind."""

import asyncio
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from badgectl import addresses
from badgectl.failures import failures_told
from badgectl.lag_sample import LagSample, take_sample
from badgectl.lag_text import lag_json, lag_text
from badgectl.terminal_text import json_line, result_console
from messaging.tolerant_records import read_tolerantly
from storage.database import Database


def lag(
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again and again; Ctrl-C ends.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, max=60, help="Measure the rates over so long.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what waits in award_requests and in the outbox, since when, and which relay leads.

    What does not answer is left out and told of; the exit code is then 1.
    """
    with failures_told():
        read_tolerantly()  # the oldest request may be anybody's
        is_whole = asyncio.run(_show(seconds=seconds, watch=watch, as_json=as_json))
        if not is_whole:
            raise typer.Exit(1)


async def _show(*, seconds: float, watch: bool, as_json: bool) -> bool:
    """Print one sample, or one after the other; return whether the last was whole."""
    kafka = addresses.kafka_settings()
    database = Database(addresses.database_url(), application="badgectl", pool_size=1)
    console = result_console()
    try:
        while True:
            sample = await take_sample(kafka, database, seconds=seconds)
            if watch and not as_json:
                console.clear()
            _print(console, sample, as_json=as_json)
            if not watch:
                return not sample.failures
    finally:
        await database.close()


def _print(console: Console, sample: LagSample, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json_line(lag_json(sample)))
    else:
        console.print(lag_text(sample))
    for failure in sample.failures:
        with suppress(typer.Exit), failures_told():
            raise failure.error

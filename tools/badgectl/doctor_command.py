"""`badgectl doctor`: is everything as it has to be, and if not, what is to be done?"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import typer
from aiokafka.client import AIOKafkaClient
from rich.console import Console
from rich.markup import escape

from badgectl import addresses
from badgectl.doctor_findings import Check, Checked, Finding, Level, carry_out, fine
from badgectl.doctor_kafka import kafka_checks
from badgectl.doctor_postgres import postgres_checks
from badgectl.doctor_service import installation_checks, look_at_processes, relay_checks, worker_checks
from badgectl.doctor_settings import look_at_settings
from badgectl.doctor_topics import topic_checks
from badgectl.terminal_text import json_line, printable, result_console
from messaging.group_offsets import open_client
from messaging.kafka_facts import brokers_of
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from storage.database import Database

CONNECTIONS = 4
COMMAND_SECONDS = 8

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "red"}


def doctor(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON: every check, also those that are ok.")] = False
) -> None:
    """Check settings, servers, topics, schema, clocks, workers and relay, and say what to do. Changes nothing.

    Every check is made, whatever the others find, and has 10 s. What cannot be reached is one failure.
    With BADGES_URL set, or on the stack here, gateway and worker are asked whether they are ready.
    Exit code 1 when a check fails; warnings alone leave it 0.
    """
    done = asyncio.run(examine())
    is_well = all(finding.level is not Level.FAILURE for each in done for finding in each.findings)
    if as_json:
        typer.echo(json_line(_report(done, is_well=is_well)))
    else:
        _print(result_console(), done)
    if not is_well:
        raise typer.Exit(1)


async def examine() -> Sequence[Checked]:
    """Make all checks; those of a server wait until it has answered once."""
    checks = [Check(name="settings", look=look_at_settings), Check(name="processes", look=_look_at_processes)]
    (settings, processes), servers = await asyncio.gather(carry_out(checks), _examine_servers())
    return [settings, *servers, processes]


async def _look_at_processes() -> Sequence[Finding]:
    urls = addresses.process_urls()
    return await look_at_processes(urls) if urls else [fine("not asked: BADGES_URL says where the gateway is")]


async def _examine_servers() -> Sequence[Checked]:
    async with AsyncExitStack() as stack:
        clients: list[tuple[AIOKafkaClient, KafkaSettings]] = []
        databases: list[Database] = []

        async def meet_kafka() -> Sequence[Finding]:
            kafka = addresses.kafka_settings()
            client = await stack.enter_async_context(open_client(kafka))
            clients.append((client, kafka))
            return [fine(f"answers at {kafka.bootstrap}, brokers {', '.join(map(str, brokers_of(client)))}")]

        async def meet_postgres() -> Sequence[Finding]:
            database = await stack.enter_async_context(_opened(addresses.database_url()))
            async with database.querying():
                databases.append(database)
            return [fine("lets us in")]

        met = await carry_out([Check(name="kafka", look=meet_kafka), Check(name="postgres", look=meet_postgres)])
        return [*met, *await carry_out([*_checks(clients, databases)])]


def _checks(clients: Sequence[tuple[AIOKafkaClient, KafkaSettings]], databases: Sequence[Database]) -> Sequence[Check]:
    checks: list[Check] = []
    for client, kafka in clients:
        topics = topics_of(kafka)
        checks += [*kafka_checks(client), *topic_checks(client, topics), *worker_checks(client, topics)]
    for database in databases:
        checks += [*postgres_checks(database), *relay_checks(database)]
        for client, kafka in clients:
            checks += installation_checks(client, kafka, database)
    return checks


@asynccontextmanager
async def _opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(
        database_url, application="badgectl-doctor", pool_size=CONNECTIONS, command_seconds=COMMAND_SECONDS
    )
    try:
        yield database
    finally:
        await database.close()


def _report(done: Sequence[Checked], *, is_well: bool) -> Mapping[str, object]:
    return {
        "ok": is_well,
        "checks": [
            {"check": each.name, "level": finding.level, "said": finding.said, "remedy": finding.remedy}
            for each in done
            for finding in each.findings
        ],
    }


def _print(console: Console, done: Sequence[Checked]) -> None:
    found = [(each.name, finding) for each in done for finding in each.findings]
    for name, finding in found:
        level = f"[{_COLOURS[finding.level]}]{finding.level:<8}[/]"
        console.print(f"{level} {name:<18} {_line(finding.said)}", soft_wrap=True, highlight=False)
        if finding.remedy is not None:
            console.print(f"{'':<27} → {_line(finding.remedy)}", soft_wrap=True, highlight=False)
    counts = ", ".join(f"{sum(one.level is level for _, one in found)} {level}" for level in Level)
    console.print(counts, highlight=False)


def _line(text: str) -> str:
    return escape(printable(" ".join(part.strip() for part in text.splitlines())))

"""Postgres is restored from an older backup: no event is published on a false watermark, and the runbook leads out."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import asyncpg
import httpx

from builders import NOON, award_request, publish
from devstack.seed import DemoTenant
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import header, read_topic
from operator_commands import badgectl
from processes import Installation, Service
from servers import TestServers

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()
SECONDS = 20


def name_of(database_url: str) -> str:
    return database_url.rpartition("/")[2]


async def make_backup(servers: TestServers, database_url: str) -> None:
    name = name_of(database_url)
    await servers.execute(f"CREATE DATABASE {name}_backup TEMPLATE {name}")


async def restore_backup(servers: TestServers, database_url: str) -> None:
    name = name_of(database_url)
    await servers.execute(f"DROP DATABASE {name}", f"ALTER DATABASE {name}_backup RENAME TO {name}")


async def award(badges: Installation, demo: DemoTenant, *participants: str, earned_at: datetime = NOON) -> None:
    """Ask for an award for each of them."""
    requests = (award_request(tenant_id=demo.id, participant_id=one, earned_at=earned_at) for one in participants)
    await publish(badges.kafka, *requests)


async def heard_of(kafka: KafkaSettings, at_least: int) -> Counter[str]:
    """Of whom the events are, and how many."""
    events = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=at_least, settle=1)
    return Counter(str(header(event, "ce_subject")) for event in events)


async def until(condition: Callable[[str], bool], url: str) -> None:
    """Return once the text at the URL is such."""
    async with httpx.AsyncClient() as client, asyncio.timeout(SECONDS):
        while not condition((await client.get(url)).text):
            await asyncio.sleep(0.2)


def statements_of(step: str, *, watermark: int) -> list[str]:
    """What the runbook has an operator run, word for word."""
    found = re.search(rf"^\*\*{re.escape(step)}\*\*.*?(?=^\*\*|^## )", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert found
    statements = re.findall(r"`((?:UPDATE|SELECT) [^`]+)`", found[0])
    return [re.sub(r"\bW\b", str(watermark), statement) for statement in statements]


def refused_watermark(worker: Service) -> int:
    """The watermark that the log line tells."""
    lines = (json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{"))
    errors = [str(line["error"]) for line in lines if line["event"] == "relay.refuses"]
    found = re.search(r"watermark is (\d+)", errors[0])
    assert found
    return int(found[1])


async def test_runbook_leads_out_of_a_restored_backup_and_every_event_is_told(
    badges: Installation, demo: DemoTenant, servers: TestServers
) -> None:
    claimed = badges.faulty_worker("before_transaction")
    await award(badges, demo, "claimed")
    assert await asyncio.to_thread(claimed.wait) == -9
    await make_backup(servers, badges.database_url)
    worker = await badges.worker().ready()
    lost = [f"lost_{number}" for number in range(5)]
    for participant in lost:
        await award(badges, demo, participant)
    told = await heard_of(badges.kafka, 6)
    assert told == Counter(["claimed", *lost])
    await asyncio.to_thread(worker.stop)
    await restore_backup(servers, badges.database_url)

    await refuses_until_decided(badges, demo)

    told += Counter(["claimed", "new_0", "new_1"])
    assert await heard_of(badges.kafka, told.total()) == told
    verified = await badgectl(badges, "verify", "--json")
    assert differences(verified.json) == {"missing": 0, "doubled": 1, "foreign": len(lost)}
    assert {example["participant_id"] for example in verified.json["foreign"]["examples"]} == set(lost)

    await award(badges, demo, *lost)
    told += Counter(lost)
    assert await heard_of(badges.kafka, told.total()) == told
    asked_again = await badgectl(badges, "verify", "--json")
    assert differences(asked_again.json) == {"missing": 0, "doubled": 1 + len(lost), "foreign": 0}


async def refuses_until_decided(badges: Installation, demo: DemoTenant) -> None:
    """A worker awards, says that it does not publish, and goes on once the runbook was followed."""
    worker = await badges.worker().ready()
    before = await heard_of(badges.kafka, 1)
    await award(badges, demo, "new_0", "new_1")
    await until(lambda text: "badges_relay_is_refusing 1.0" in text, f"{worker.url}/metrics")
    watermark = refused_watermark(worker)
    assert await heard_of(badges.kafka, 1) == before
    bare = await asyncpg.connect(badges.database_url)
    assert await bare.fetchval("SELECT count(*) FROM awards") == 3
    for statement in statements_of("The watermark is above the highest number.", watermark=watermark):
        await bare.execute(statement)
    await bare.close()
    await until(lambda text: "badges_relay_is_leader 1.0" in text, f"{worker.url}/metrics")
    await worker.ready()


def differences(verified: dict[str, dict[str, int]]) -> dict[str, int]:
    return {kind: verified[kind]["count"] for kind in ("missing", "doubled", "foreign")}

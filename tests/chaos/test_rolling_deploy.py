"""A deploy while requests come in: the next release's migration, then workers, then a gateway; nothing is missed."""

import asyncio
import re
from pathlib import Path

import asyncpg
import httpx
from alembic import command

from deploys import Load, awarded_over_http, restart
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import header, read_topic
from processes import Installation, Service
from storage.migrate import MIGRATIONS, alembic_config
from storage.schema import REVISIONS

MORE = 200
NEXT_RELEASE = f"""
from alembic import op

revision = "of_the_next_release"
down_revision = "{REVISIONS[-1]}"


def upgrade():
    with op.get_context().autocommit_block():
        for table in ("awards", "badges", "tenants", "rejected_requests", "outbox", "relay_state"):
            op.execute(f"ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS campaign TEXT")
        op.execute("CREATE TABLE IF NOT EXISTS campaigns (name TEXT PRIMARY KEY)")
"""


def migrate_to_next_release(database_url: str, folder: Path) -> None:
    """Run a migration that this code does not know, as `badgectl migrate` of the next release does."""
    (folder / "next_release.py").write_text(NEXT_RELEASE)
    config = alembic_config(database_url)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{MIGRATIONS / 'versions'}\n{folder}".replace("%", "%%"))
    command.upgrade(config, "head")


async def awarded_by(worker: Service) -> int:
    """How many awards the process has made."""
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{worker.url}/metrics")).text
    found = re.search(r'^badges_worker_requests_total\{outcome="awarded"\} (\S+)$', metrics, re.MULTILINE)
    assert found
    return int(float(found[1]))


async def goes_on(*workers: Service) -> None:
    """Return once each of the processes has made some awards more."""
    goals = {worker.url: await awarded_by(worker) + MORE for worker in workers}
    async with asyncio.timeout(60):
        for worker in workers:
            while await awarded_by(worker) < goals[worker.url]:
                await asyncio.sleep(0.1)


async def test_processes_are_replaced_one_by_one_on_a_newer_schema_and_nothing_is_lost_or_repeated(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    workers = [badges.worker(), badges.worker()]
    gateway = badges.gateway()
    await asyncio.gather(*(service.ready() for service in badges.services))
    load = Load(badges.kafka, demo)
    async with load.coming_in():
        await goes_on(*workers)
        await awarded_over_http(gateway, demo, "on the old schema")
        await asyncio.to_thread(migrate_to_next_release, badges.database_url, tmp_path)
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == "of_the_next_release"
        await goes_on(*workers)
        await awarded_over_http(gateway, demo, "on the new schema")
        for worker in workers:
            await restart(worker)
            await goes_on(*workers)
        await restart(gateway)
        await awarded_over_http(gateway, demo, "at the end")
    count = load.published + 3
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=count, seconds=60, settle=1)
    assert len({header(event, "ce_subject") for event in events}) == len(events) == count
    assert await connection.fetchval("SELECT count(*) FROM awards") == count
    assert await connection.fetchval("SELECT count(*) FROM rejected_requests") == 0

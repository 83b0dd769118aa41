"""The release before this one at work on this one's schema: that a deploy can be rolled, and rolled back.

The release is the newest tag vX.Y.Z before HEAD. PREVIOUS_RELEASE names another commit to be taken for it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from deploys import Load, awarded_over_http, restart
from devstack.seed import seed_demo_tenant
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import header, read_topic
from previous_release import Release, check_out, find_release, version_of
from processes import installation
from servers import TestServers
from storage.migrate import upgrade
from storage.schema import REVISIONS

FIRST_RELEASE = "0.1.0"
MORE = 200
PACKAGES = ("api", "award_worker", "badgectl", "domain", "messaging", "storage", "telemetry")


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """The release before this one, ready to run."""
    name = find_release()
    if name is None:
        pytest.skip(f"{version_of()} is the first release: there is none before it to run")
    found = check_out(name, tmp_path)
    print(f"the release before: {name}, by {found.python}")  # noqa: T201 - what was run
    return found


@pytest.fixture
async def old_database_url(servers: TestServers, release: Release) -> AsyncIterator[str]:
    """A database with the schema of the release before."""
    bare = await asyncpg.connect(servers.database_url)
    await bare.execute("CREATE DATABASE of_the_release_before")
    url = f"{servers.database_url.rpartition('/')[0]}/of_the_release_before"
    await asyncio.to_thread(release.run, "-m", "badgectl", "migrate", environment={"BADGES_DATABASE_URL": url})
    yield url
    await bare.execute("DROP DATABASE of_the_release_before WITH (FORCE)")
    await bare.close()


async def goes_on(connection: asyncpg.Connection) -> None:
    """Return once some more awards have been made by whatever is at work."""
    goal = await connection.fetchval("SELECT count(*) FROM awards") + MORE
    async with asyncio.timeout(60):
        while await connection.fetchval("SELECT count(*) FROM awards") < goal:
            await asyncio.sleep(0.1)


def test_there_is_a_release_before_this_one_or_this_is_the_first() -> None:
    assert find_release() is not None or version_of() == FIRST_RELEASE


@pytest.mark.timeout(600)
async def test_release_before_works_on_this_schema_while_it_is_replaced_and_when_it_comes_back(
    release: Release, old_database_url: str, kafka: KafkaSettings, tmp_path: Path
) -> None:
    assert_is_loaded(release)
    demo = await seed_demo_tenant(old_database_url, None)
    connection = await asyncpg.connect(old_database_url)
    async with installation(old_database_url, kafka, tmp_path, load_themselves=True) as now:
        before = replace(now, python=release.python, environment=release.environment)
        old_worker, old_gateway = before.worker(), before.gateway()
        await asyncio.gather(old_worker.ready(), old_gateway.ready())
        load = Load(kafka, demo)
        async with load.coming_in():
            await goes_on(connection)
            await awarded_over_http(old_gateway, demo, "on the old schema")
            await asyncio.to_thread(upgrade, old_database_url)
            assert await connection.fetchval("SELECT version_num FROM alembic_version") == REVISIONS[-1]
            await goes_on(connection)
            await awarded_over_http(old_gateway, demo, "on the new schema")
            await restart(old_worker)
            await goes_on(connection)
            worker, gateway = now.worker(), now.gateway()
            await asyncio.gather(worker.ready(), gateway.ready())
            await awarded_over_http(gateway, demo, "beside the release before")
            old_worker.stop()
            await goes_on(connection)
            await restart(old_gateway)
            await awarded_over_http(old_gateway, demo, "gateway of before, worker of now")
            old_worker.start()
            await old_worker.ready()
            worker.stop()
            await goes_on(connection)
            await awarded_over_http(gateway, demo, "gateway of now, worker of before")
    await assert_once_each(connection, kafka, load.published + 5)
    await connection.close()


def assert_is_loaded(release: Release) -> None:
    """That what runs is the release's own code, all of it."""
    code = "import importlib, sys; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]), sep='\\n')"
    files = release.run("-c", code, *PACKAGES).splitlines()
    assert len(files) == len(PACKAGES)
    assert all(Path(file).is_relative_to(release.folder) for file in files)


async def assert_once_each(connection: asyncpg.Connection, kafka: KafkaSettings, count: int) -> None:
    events = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=count, seconds=60, settle=1)
    assert len({header(event, "ce_subject") for event in events}) == len(events) == count
    assert await connection.fetchval("SELECT count(*) FROM awards") == count
    assert await connection.fetchval("SELECT count(*) FROM rejected_requests") == 0

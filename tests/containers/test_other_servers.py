"""The suite on servers that are not the embedded stack's: which are taken, and that a part of it passes on each."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from containers.composition import ROOT
from messaging.settings import KafkaSettings
from server_sources import DATABASE_URL, KAFKA_BOOTSTRAP, STACK, WantedServers, wanted_servers

PART = ("tests/e2e/test_duplicates.py",)
URL = "postgresql://tests@db.example.com/postgres"


def run_part(**environment: str) -> None:
    """Run a part of the suite by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", *PART],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, " passed" in done.stdout, "skipped" in done.stdout) == (0, True, False), done.stdout


async def databases_at(url: str) -> set[str]:
    bare = await asyncpg.connect(url)
    try:
        return {name for (name,) in await bare.fetch("SELECT datname FROM pg_database")}
    finally:
        await bare.close()


async def topics_at(bootstrap: str) -> set[str]:
    """All but Kafka's own."""
    admin = AIOKafkaAdminClient(**KafkaSettings(bootstrap=bootstrap).connection())
    await admin.start()
    try:
        return {name for name in await admin.list_topics() if not name.startswith("__")}
    finally:
        await admin.close()


@pytest.mark.parametrize("environment", [{}, {STACK: "embedded"}, {STACK: "", DATABASE_URL: "", KAFKA_BOOTSTRAP: ""}])
def test_servers_are_those_of_the_embedded_stack_by_default(environment: Mapping[str, str]) -> None:
    assert wanted_servers(environment) == WantedServers(stack="embedded")


def test_servers_are_containers_or_given_if_so_wanted() -> None:
    assert wanted_servers({STACK: "containers"}) == WantedServers(stack="containers")
    given = WantedServers(stack="given", database_url=URL, kafka_bootstrap="kafka:9092")
    assert wanted_servers({DATABASE_URL: URL, KAFKA_BOOTSTRAP: "kafka:9092"}) == given


@pytest.mark.parametrize(
    "environment",
    [
        {STACK: "docker"},
        {DATABASE_URL: URL},
        {KAFKA_BOOTSTRAP: "kafka:9092"},
        {STACK: "containers", DATABASE_URL: URL, KAFKA_BOOTSTRAP: "kafka:9092"},
    ],
)
def test_a_wish_that_cannot_be_met_is_told_before_any_test_runs(environment: Mapping[str, str]) -> None:
    with pytest.raises(pytest.UsageError, match=rf"{STACK}.*{DATABASE_URL}.*{KAFKA_BOOTSTRAP}"):
        wanted_servers(environment)


@pytest.mark.containers
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("engine")
def test_a_part_of_the_suite_passes_on_containers() -> None:
    run_part(**{STACK: "containers"})


@pytest.mark.containers
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("engine")
def test_a_part_of_the_suite_passes_on_given_servers_and_leaves_nothing_there() -> None:
    from server_containers import server_containers  # noqa: PLC0415 - it asks the engine for its settings

    with server_containers() as (url, bootstrap):
        run_part(**{DATABASE_URL: url, KAFKA_BOOTSTRAP: bootstrap})
        assert asyncio.run(databases_at(url)) == {"postgres", "badges", "template0", "template1"}
        assert asyncio.run(topics_at(bootstrap)) == set()

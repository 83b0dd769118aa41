"""Where the servers of the tests come from: the embedded stack, testcontainers, or whoever runs the tests.

Tests that kill servers, or set them up in a way of their own, bring theirs (`servers.PostgresProcess` and
`servers.KafkaProcess`), wherever the others come from.
"""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from messaging.settings import KafkaSettings
from servers import Stack, TestServers, embedded_servers

STACK = "BADGES_TEST_STACK"
DATABASE_URL = "BADGES_TEST_DATABASE_URL"
KAFKA_BOOTSTRAP = "BADGES_TEST_KAFKA_BOOTSTRAP"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedServers:
    """What whoever runs the tests has asked for."""

    stack: Stack
    database_url: str = ""
    kafka_bootstrap: str = ""


def wanted_servers(environment: Mapping[str, str]) -> WantedServers:
    """Return the wish; without one, the embedded stack.

    Raises:
        pytest.UsageError: it cannot be met.
    """
    given = [environment.get(name, "") for name in (DATABASE_URL, KAFKA_BOOTSTRAP)]
    match environment.get(STACK, ""), *given:
        case (("" | "embedded"), "", ""):
            return WantedServers(stack="embedded")
        case "containers", "", "":
            return WantedServers(stack="containers")
        case "", str(database_url), str(bootstrap) if database_url and bootstrap:
            return WantedServers(stack="given", database_url=database_url, kafka_bootstrap=bootstrap)
    raise pytest.UsageError(
        f"the servers of the tests: set {STACK} to embedded (the default) or containers, "
        f"or both {DATABASE_URL} and {KAFKA_BOOTSTRAP}, or nothing"
    )


@contextmanager
def test_servers(wanted: WantedServers, folder: Path) -> Iterator[TestServers]:
    """Lend the servers; what runs below the folder ends, and nothing of this run stays on servers that were given."""
    # Begins with a letter: unquoted in SQL.
    names = f"bt{secrets.token_hex(3)}_"
    with _addresses(wanted, folder) as (database_url, bootstrap):
        servers = TestServers(stack=wanted.stack, database_url=database_url, kafka_bootstrap=bootstrap, names=names)
        yield servers
        if wanted.stack == "given":
            asyncio.run(_tidy(servers))


test_servers.__test__ = False  # type: ignore[attr-defined]  # pytest takes the name for a test


def _addresses(wanted: WantedServers, folder: Path) -> AbstractContextManager[tuple[str, str]]:
    match wanted.stack:
        case "embedded":
            return embedded_servers(folder)
        case "containers":
            # Only here: it asks the Docker engine for its settings when it is loaded.
            from server_containers import server_containers  # noqa: PLC0415 - as said

            return server_containers()
        case "given":
            return _given(wanted)


@contextmanager
def _given(wanted: WantedServers) -> Iterator[tuple[str, str]]:
    yield wanted.database_url, wanted.kafka_bootstrap


async def _tidy(servers: TestServers) -> None:
    """Remove the databases and topics of this run."""
    bare = await asyncpg.connect(servers.database_url)
    try:
        found = "SELECT datname FROM pg_database WHERE starts_with(datname, $1)"
        for (name,) in await bare.fetch(found, servers.names):
            await bare.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await bare.close()
    admin = AIOKafkaAdminClient(**KafkaSettings(bootstrap=servers.kafka_bootstrap).connection())
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(servers.names)])
    finally:
        await admin.close()

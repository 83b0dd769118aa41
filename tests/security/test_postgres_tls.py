"""Postgres over TLS: everything speaks it, and only with the server that was meant."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
import trustme

from award_api import AWARD, body
from devstack.seed import seed_demo_tenant
from domain.errors import StorageUnavailableError
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import read_topic
from operator_commands import badgectl
from processes import installation
from servers import PostgresProcess, TestServers
from shared import GAMIFY
from storage.database import Database
from tls_postgres import HOST, IS_HERE, tls_postgres

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not IS_HERE, reason="there is no Postgres 18 with TLS to fetch for this machine"),
]

UNENCRYPTED = """
    SELECT a.application_name FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid)
    WHERE a.client_addr IS NOT NULL AND NOT s.ssl
"""
AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'badges-%'"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """Whoever made the server's certificate, and the file that says so."""
    made = trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, path


@pytest.fixture(scope="module")
def server(authority: tuple[trustme.CA, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresProcess]:
    """A Postgres with TLS."""
    with tls_postgres(tmp_path_factory.mktemp("tls"), authority[0]) as running:
        yield running


def verified(database_url: str, cafile: Path, *, host: str = HOST) -> str:
    """The URL that production has: the name and the authority of the server are checked."""
    return f"{database_url.replace('127.0.0.1', host)}?sslmode=verify-full&sslrootcert={cafile}"


async def test_award_goes_from_the_migration_to_the_event(
    server: PostgresProcess, authority: tuple[trustme.CA, Path], kafka: KafkaSettings, tmp_path: Path
) -> None:
    url = verified(server.database_url, authority[1])
    async with installation(url, kafka, tmp_path) as place:
        migrated = await badgectl(place, "migrate")
        assert migrated.code == 0, migrated.err
        demo = await seed_demo_tenant(url, None)
        gateway, worker = await place.gateway().ready(), await place.worker().ready()
        async with httpx.AsyncClient(headers={"X-API-Key": demo.live_key}, timeout=15) as client:
            answer = await client.post(f"{gateway.url}{GAMIFY}{AWARD}", json=body())
        assert answer.status_code == 200, answer.text
        assert len(await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=1)) == 1
        for command in (("tenants", "list"), ("verify",), ("dlq", "redrive", "--yes")):
            done = await badgectl(place, *command)
            assert done.code == 0, done.err
        bare = await asyncpg.connect(url)
        assert await bare.fetchval(AT_WORK) >= 2
        assert await bare.fetch(UNENCRYPTED) == []
        await bare.close()
        assert worker.tail()


@pytest.fixture(params=["host", "authority", "no_tls"])
def mistaken(
    request: pytest.FixtureRequest,
    server: PostgresProcess,
    servers: TestServers,
    authority: tuple[trustme.CA, Path],
    tmp_path: Path,
) -> tuple[str, str]:
    """A URL whose server must not be trusted, and why not."""
    stranger = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    if request.param == "host":
        return verified(server.database_url, authority[1], host="127.0.0.1"), "IP address mismatch"
    if request.param == "authority":
        return verified(server.database_url, stranger), "unable to get local issuer certificate"
    return verified(servers.database_url, authority[1], host="127.0.0.1"), "rejected SSL upgrade"


async def test_server_that_cannot_be_trusted_is_refused(mistaken: tuple[str, str], tmp_path: Path) -> None:
    url, reason = mistaken
    database = Database(url, application="tests", pool_size=1)
    with pytest.raises(StorageUnavailableError, match=reason):
        async with database.reading():
            pass
    await database.close()
    async with installation(url, KafkaSettings(), tmp_path) as place:
        worker = place.worker()
        await worker.says(reason)
        for command in (("tenants", "list"), ("migrate",), ("verify",)):
            told = await badgectl(place, *command)
            assert told.code == 1
            assert reason in told.err
            assert told.err.count("\n") == 1

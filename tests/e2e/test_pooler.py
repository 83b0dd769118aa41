"""Gateways behind PgBouncer in transaction mode: many connections of theirs, few of Postgres's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from devstack.seed import DemoTenant
from pgbouncer_process import CONNECTIONS, pgbouncer
from processes import Installation, installation
from shared import GAMIFY


@pytest.fixture
async def pooled(worker: Installation, tmp_path: Path) -> AsyncIterator[Installation]:
    """The same installation, for gateways behind the pooler."""
    with pgbouncer(worker.database_url, tmp_path) as url:
        async with installation(url, worker.kafka, tmp_path) as place:
            yield place


async def test_gateways_share_few_connections_of_a_transaction_pooler(
    pooled: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    gateways = [
        pooled.gateway(database_pooler="transaction", database_connections="10", awards_per_minute="1000")
        for _ in range(2)
    ]
    for gateway in gateways:
        await gateway.ready()
    headers = {"X-API-Key": demo.live_admin_key}
    async with httpx.AsyncClient(headers=headers, timeout=20) as client:

        async def call(number: int) -> None:
            url = f"{gateways[number % 2].url}{GAMIFY}"
            body = {"participant_id": f"user_{number % 40}", "badge_code": "power_user"}
            (await client.post(f"{url}/badges/award", json=body)).raise_for_status()
            listed = await client.get(f"{url}/participants/user_{number % 40}/badges?badge_codes=power_user,x")
            assert listed.raise_for_status().json()["earned_count"] == 1
            (await client.get(f"{url}/admin/badges?page_size=1")).raise_for_status()

        await asyncio.gather(*(call(number) for number in range(200)))
        created = {"code": "made_there", "name": "Made there"}
        (await client.post(f"{gateways[0].url}{GAMIFY}/admin/badges", json=created)).raise_for_status()
    assert await connection.fetchval("SELECT count(*) FROM awards") == 40
    sessions = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'badges-api'"
    )
    assert 1 <= await connection.fetchval(sessions) <= CONNECTIONS

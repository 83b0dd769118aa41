"""Prometheus has its numbers when they are wanted most: while Kafka and Postgres hang."""

import asyncio

import httpx
import pytest

from processes import Installation, Service
from servers import KafkaProcess, PostgresProcess

PROMETHEUS_SECONDS = 10
"""The limit of `deploy/prometheus/prometheus.yml`."""

AFTER_SECONDS = 30


async def metrics(service: Service) -> str:
    """What Prometheus reads."""
    async with httpx.AsyncClient(timeout=PROMETHEUS_SECONDS) as client:
        answer = await client.get(f"{service.url}/metrics")
    assert answer.status_code == httpx.codes.OK
    return answer.text


async def until_passes(check: str, service: Service) -> None:
    """Return once the check passes again."""
    async with asyncio.timeout(AFTER_SECONDS):
        while f'badges_check_passes{{check="{check}"}} 1.0' not in await metrics(service):
            await asyncio.sleep(0.2)


@pytest.mark.timeout(240)
async def test_metrics_tell_which_server_hangs(
    own_servers: tuple[PostgresProcess, KafkaProcess], own_badges: Installation
) -> None:
    postgres, broker = own_servers
    services = [await own_badges.gateway().ready(), await own_badges.worker().ready()]
    assert "badges_award_requests_lag{" in await metrics(services[1])
    with broker.hanging():
        for service in services:
            text = await metrics(service)
            assert 'badges_check_passes{check="kafka"} 0.0' in text
            assert 'badges_check_passes{check="postgres"} 1.0' in text
        # An old lag would look like one that does not grow.
        assert "badges_award_requests_lag{" not in text
    for service in services:
        await until_passes("kafka", service)
    with postgres.hanging():
        for service in services:
            text = await metrics(service)
            assert 'badges_check_passes{check="postgres"} 0.0' in text
            assert 'badges_check_passes{check="kafka"} 1.0' in text
        assert "badges_award_requests_lag{" in text
    for service in services:
        await until_passes("postgres", service)

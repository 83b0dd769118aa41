"""What Prometheus reads from a gateway and a worker that have something to do."""

import asyncio
from collections.abc import Callable, Mapping

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from award_api import AWARD, body
from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.award_requested import encode_request
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from processes import Installation
from shared import GAMIFY
from telemetry import metrics as catalogue

SECONDS = 20
BRAKE = {"batch_size": "5", "brake_consecutive": "10", "brake_window": "1000"}

Samples = Mapping[str, float]
"""By name and labels, as Prometheus writes them."""


async def samples(url: str) -> Samples:
    """Every number."""
    async with httpx.AsyncClient(timeout=10) as client:
        text = (await client.get(f"{url}/metrics")).text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def until(holds: Callable[[Samples], bool], url: str) -> Samples:
    """Return the numbers once they are so."""
    async with asyncio.timeout(SECONDS):
        while not holds(found := await samples(url)):
            await asyncio.sleep(0.1)
    return found


def over_partitions(found: Samples, name: str) -> float:
    """The sum of one gauge of the log."""
    return sum(value for sample, value in found.items() if sample.startswith(f"{name}{{"))


@pytest.fixture
def caller(demo: DemoTenant) -> httpx.AsyncClient:
    """A caller with the demo tenant's key."""
    return httpx.AsyncClient(headers={"X-API-Key": demo.live_key}, timeout=15)


async def test_every_metric_is_shown(badges: Installation) -> None:
    gateway, worker = await badges.gateway().ready(), await badges.worker().ready()
    await samples(gateway.url)  # the first call of a route that is counted
    shown = " ".join([*await samples(gateway.url), *await samples(worker.url)])
    described = [value.name for value in vars(catalogue).values() if isinstance(value, catalogue.Metric)]
    assert [name for name in described if name not in shown] == []
    assert "_created" not in shown
    assert "process_resident_memory_bytes" in shown


async def test_award_calls_are_counted_by_what_they_were_answered(
    badges: Installation, caller: httpx.AsyncClient
) -> None:
    await badges.worker().ready()
    gateway = await badges.gateway(awards_per_minute="3").ready()
    address = f"{gateway.url}{GAMIFY}{AWARD}"
    async with caller:
        for _ in range(2):
            await caller.post(address, json=body())
        await caller.post(address, json=body(badge_code="nobody's"))
        await caller.post(address, json=body())
        await caller.post(address, json=body(participant_id="other"), headers={"Prefer": "respond-async"})
    found = await samples(gateway.url)
    outcomes = {
        outcome: found[f'badges_api_awards_total{{outcome="{outcome}"}}']
        for outcome in ("awarded", "already_earned", "badge_not_found", "accepted", "RATE_LIMIT_PARTICIPANT_EXCEEDED")
    }
    assert outcomes == dict.fromkeys(outcomes, 1)
    assert found["badges_api_requests_under_way"] == 1  # this very one
    assert found["badges_api_awards_waiting"] == 0
    assert found["badges_database_pool_connections"] == 10


async def test_delays_are_told_from_request_to_award_to_event(
    badges: Installation, demo: DemoTenant, kafka: KafkaSettings
) -> None:
    requests = [award_request(tenant_id=demo.id, participant_id=f"user_{number}") for number in range(3)]
    await publish(kafka, *requests)
    await asyncio.sleep(1)
    worker = await badges.worker().ready()
    found = await until(lambda found: found["badges_relay_award_to_event_seconds_count"] == 3, worker.url)
    assert found["badges_worker_request_to_award_seconds_count"] == 3
    assert 3 < found["badges_worker_request_to_award_seconds_sum"] < 3 * SECONDS
    assert 0 < found["badges_relay_award_to_event_seconds_sum"] < 3 * SECONDS
    assert found['badges_worker_requests_total{outcome="awarded"}'] == found["badges_relay_messages_total"] == 3


async def test_what_the_brake_holds_is_lag_and_each_dead_letter_has_its_reason(
    badges: Installation, demo: DemoTenant, kafka: KafkaSettings
) -> None:
    wrong = [award_request(tenant_id=demo.id, participant_id=f"user_{n}", badge_code="none") for n in range(60)]
    await publish(kafka, *wrong)
    worker = badges.worker(**BRAKE)
    await worker.says("brake.holds")  # so soon that it may never have said that it is ready
    found = await until(
        lambda found: found["badges_worker_brake_is_on"] == found["badges_worker_brake_holds_total"] > 0, worker.url
    )
    dead = found['badges_worker_rejections_total{reason="badge_not_found"}']
    assert dead >= 10
    assert over_partitions(found, "badges_award_requests_lag") == 60 - dead
    assert over_partitions(found, "badges_award_requests_held") == 0
    assert found['badges_check_passes{check="brake"}'] == 0
    assert found['badges_check_passes{check="kafka"}'] == 1


async def test_requests_behind_an_open_transaction_are_held(
    badges: Installation, demo: DemoTenant, kafka: KafkaSettings
) -> None:
    worker = await badges.worker().ready()
    _, value, headers = encode_request(award_request(tenant_id=demo.id), None)
    upstream = AIOKafkaProducer(**kafka.connection(), transactional_id=f"{kafka.prefix}upstream")
    async with upstream, upstream.transaction():
        await upstream.send_and_wait(topics_of(kafka).award_requests, value, headers=headers, partition=1)
        found = await until(lambda found: over_partitions(found, "badges_award_requests_held") > 0, worker.url)
        assert found['badges_award_requests_held{partition="1"}'] == 1
    found = await until(lambda found: over_partitions(found, "badges_award_requests_held") == 0, worker.url)
    assert found['badges_award_requests_lost{partition="1"}'] == 0

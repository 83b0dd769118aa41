"""Probes, metrics, documentation: what orchestrators and readers see, without a key."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import pytest

from devstack.seed import DemoTenant
from messaging.settings import KafkaSettings
from messaging.topics import create_topics
from processes import Installation, Service, installation
from servers import KafkaProcess
from shared import Shared

CLOSED = "127.0.0.1:1"
NOWHERE = f"postgresql://nobody@{CLOSED}/none"
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
AWARD = {"participant_id": "user_123", "badge_code": "power_user"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A caller without a key."""
    async with httpx.AsyncClient(timeout=15) as client:
        yield client


async def alive(service: Service, http: httpx.AsyncClient) -> Service:
    """Return once the process answers."""
    async with asyncio.timeout(20):
        while True:
            with suppress(httpx.TransportError):
                if (await http.get(f"{service.url}/livez")).json() == {"status": "alive"}:
                    return service
            await asyncio.sleep(0.05)


async def test_running_services_are_alive_and_ready(shared: Shared, http: httpx.AsyncClient) -> None:
    for url, checks in (
        (shared.api_url, {"postgres", "kafka", "outcomes"}),
        (shared.worker_url, {"postgres", "kafka", "consumer", "relay", "brake"}),
    ):
        assert (await http.get(f"{url}/livez")).json() == {"status": "alive"}
        ready = await http.get(f"{url}/readyz")
        assert ready.status_code == 200
        assert ready.json() == {"status": "ready", "checks": dict.fromkeys(checks, "ok")}


async def test_gateway_and_worker_without_servers_are_alive_and_not_ready(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    async with installation(NOWHERE, KafkaSettings(bootstrap=CLOSED), tmp_path) as place:
        services = [place.gateway(), place.worker()]
        for service in services:
            await alive(service, http)
            answer = await http.get(f"{service.url}/readyz")
            assert answer.status_code == 503
            assert answer.json()["status"] == "not ready"
            assert {name: answer.json()["checks"][name] for name in ("postgres", "kafka")} == {
                "postgres": "failing",
                "kafka": "failing",
            }
            assert (await http.get(f"{service.url}/livez")).status_code == 200
        await assert_unavailable(http, services[0], "bq_live_" + "0" * 32)


async def assert_unavailable(http: httpx.AsyncClient, gateway: Service, key: str, **headers: str) -> None:
    """An award call is answered 503, with the time to try again."""
    url = f"{gateway.url}/api/v1/gamify/badges/award"
    answer = await http.post(url, json=AWARD, headers={"X-API-Key": key} | headers)
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "unavailable"
    assert int(answer.headers["Retry-After"]) >= 1


async def test_gateway_without_kafka_reads_and_cannot_award(
    database_url: str, demo: DemoTenant, tmp_path: Path, http: httpx.AsyncClient
) -> None:
    async with installation(database_url, KafkaSettings(bootstrap=CLOSED), tmp_path) as place:
        gateway = await alive(place.gateway(), http)
        checks = (await http.get(f"{gateway.url}/readyz")).json()["checks"]
        assert checks == {"postgres": "ok", "kafka": "failing", "outcomes": "failing"}
        await assert_unavailable(http, gateway, demo.live_key)
        await assert_unavailable(http, gateway, demo.live_key, Prefer="respond-async")
        url = f"{gateway.url}/api/v1/gamify/participants/user_123/badges"
        assert (await http.get(url, headers={"X-API-Key": demo.live_key})).json()["total"] == 2


async def test_gateway_whose_postgres_hangs_says_so_soon_and_goes_on_afterwards(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    gateway = await worker.gateway().ready()
    headers = {"X-API-Key": demo.live_admin_key}
    base = f"{gateway.url}/api/v1/gamify"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=15) as client:

        async def call_all() -> Sequence[httpx.Response]:
            return await asyncio.gather(
                client.post("/badges/award", json=AWARD),
                client.get("/participants/user_123/badges"),
                client.get("/admin/badges"),
                client.post("/admin/badges", json={"code": "new", "name": "New"}),
            )

        async with connection.transaction(), asyncio.timeout(10):
            await connection.execute("LOCK TABLE badges IN ACCESS EXCLUSIVE MODE")
            for answer in await call_all():
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.request.url
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.elapsed.total_seconds() < 4
        assert [answer.status_code for answer in await call_all()] == [200, 200, 200, 201]


async def test_gateway_whose_kafka_hangs_says_so_soon_and_goes_on_afterwards(
    database_url: str, demo: DemoTenant, tmp_path: Path
) -> None:
    broker = KafkaProcess(tmp_path / "kafka")
    await asyncio.to_thread(broker.start)
    settings = KafkaSettings(bootstrap=broker.bootstrap)
    await create_topics(settings, partitions=1)
    try:
        async with installation(database_url, settings, tmp_path) as place:
            gateway = await place.gateway().ready()
            headers = {"X-API-Key": demo.live_key, "Prefer": "respond-async"}
            async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=15) as client:
                url = "/api/v1/gamify/badges/award"
                assert (await client.post(url, json=AWARD)).status_code == 202
                with broker.hanging():
                    answer = await client.post(url, json=AWARD)
                    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                    assert answer.elapsed.total_seconds() < 5.5
                    assert int(answer.headers["Retry-After"]) >= 1
                    assert (await client.get("/readyz")).json()["checks"]["kafka"] == "failing"
                assert (await client.post(url, json=AWARD)).status_code == 202
    finally:
        await asyncio.to_thread(broker.stop)


async def test_logs_are_one_json_object_a_line_from_start_to_end(worker: Installation) -> None:
    await worker.gateway().ready()
    for service in worker.services:
        await asyncio.to_thread(service.stop)
        events = [json.loads(line) for line in service.log.read_text().splitlines()]
        assert all({"event", "level", "timestamp"} <= event.keys() for event in events)
        assert len(events) >= 1


async def test_worker_waits_for_the_schema(
    badges: Installation,
    http: httpx.AsyncClient,
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("ALTER TABLE alembic_version RENAME TO not_yet")
    worker = await alive(badges.worker(), http)
    assert (await http.get(f"{worker.url}/readyz")).json()["checks"]["postgres"] == "failing"
    await connection.execute("ALTER TABLE not_yet RENAME TO alembic_version")
    await worker.ready()


async def test_worker_does_not_consume_from_another_cluster_than_its_database_knows(
    badges: Installation, http: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await badges.worker().ready()
    own = await connection.fetchval("SELECT cluster_id FROM relay_state")
    assert own
    await connection.execute("UPDATE relay_state SET cluster_id = 'of production'")
    stranger = await alive(badges.worker(), http)
    await asyncio.sleep(2)
    assert (await http.get(f"{stranger.url}/readyz")).json()["checks"]["consumer"] == "failing"
    assert f"this is the Kafka cluster {own}, the database belongs to of production" in stranger.tail()
    await connection.execute("UPDATE relay_state SET cluster_id = NULL")
    await stranger.ready()


async def test_metrics_are_counted_by_route_and_hold_no_ids(client: httpx.AsyncClient, shared: Shared) -> None:
    assert (await client.get("/participants/secret-id/badges")).status_code == 200
    await client.post("/badges/award", json=AWARD)
    text = (await client.get(f"{shared.api_url}/metrics")).text
    assert '/participants/{participant_id}/badges",status="200"}' in text
    assert "secret-id" not in text
    worker = (await client.get(f"{shared.worker_url}/metrics")).text
    assert 'badges_worker_requests_total{outcome="awarded"}' in worker
    assert "badges_relay_is_leader 1.0" in worker


async def test_documentation_is_served_without_a_key(shared: Shared, http: httpx.AsyncClient) -> None:
    document = (await http.get(f"{shared.api_url}/openapi.json")).json()
    for method, path in (
        ("post", "/badges/award"),
        ("get", "/participants/{participant_id}/badges"),
        ("post", "/admin/badges"),
    ):
        operation = document["paths"][f"/api/v1/gamify{path}"][method]
        assert {"401", "403", "422", "503"} <= set(operation["responses"])


async def test_documentation_page_loads_nothing_from_elsewhere(shared: Shared, http: httpx.AsyncClient) -> None:
    page = await http.get(f"{shared.api_url}/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"http|\*|script-src[^;]*unsafe", policy)
    assert "://" not in page.text
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(addresses) == 4
    for address in addresses:
        part = await http.get(page.url.join(address))
        assert part.status_code == 200, address
        assert part.headers["Content-Type"].split(";")[0] == MEDIA_TYPES[Path(address).suffix]
    style = (await http.get(f"{shared.api_url}/docs/swagger-ui.css")).text
    assert set(re.findall(r"url\(\W*(\w+)", style)) == {"data"}
    start = (await http.get(f"{shared.api_url}/docs/start.js")).text
    assert "://" not in start
    (document,) = re.findall(r'url: "([^"]*)"', start)
    assert (await http.get(page.url.join(document))).json()["openapi"].startswith("3.")


async def test_there_is_no_other_page_of_documentation(shared: Shared, http: httpx.AsyncClient) -> None:
    for path in ("/redoc", "/docs/oauth2-redirect", "/docs/..%2Fmain.py", "/docs/__init__.py"):
        answer = await http.get(f"{shared.api_url}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

"""Keys are in nothing that a gateway says or writes; and it does not tell what is wrong with one.

The gateway here logs all that it can, and meets every kind of failure that a call may meet.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from signal import SIGCONT, SIGSTOP

import asyncpg
import httpx
import pytest

from devstack.seed import DemoTenant
from messaging.settings import KafkaSettings
from processes import Installation, Service, installation
from raw_http import head, raw_connection
from shared import GAMIFY, Shared, Tenant

AWARD, BADGES, LIST = f"{GAMIFY}/badges/award", f"{GAMIFY}/admin/badges", f"{GAMIFY}/participants/user_123/badges"
CLOSED = "127.0.0.1:1"


def secrets_of(demo: DemoTenant, *made_up: str) -> Sequence[str]:
    """What has to stay secret: the random digits of every key that is used."""
    return [key[-32:] for key in (demo.live_key, demo.live_admin_key, demo.test_key, demo.test_admin_key, *made_up)]


async def call_in_every_way(url: str, key: str, participant_id: str = "user_123") -> list[httpx.Response]:
    """Calls that succeed and calls that fail, with one key."""
    body = {"participant_id": participant_id, "badge_code": "power_user"}
    async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=15) as client:
        return [
            await client.post(AWARD, json=body),
            await client.post(AWARD, json=body, headers={"Prefer": "respond-async"}),
            await client.post(AWARD, json=body | {"badge_code": "none"}),
            await client.post(AWARD, json={"participant_id": 5}),
            await client.post(AWARD, content=b"x" * 70_000, headers={"Content-Type": "application/json"}),
            await client.post(AWARD, content=b"{}"),
            await client.get(LIST),
            await client.get(LIST, params={"earned_only": "x"}),
            await client.get(BADGES),
            await client.post(BADGES, json={"code": "power_user", "name": "Taken"}),
            await client.patch(f"{BADGES}/none", json={"code": "x"}),
            await client.delete(BADGES),
            await client.get("/nothing"),
        ]


async def broken_call(gateway: Service, key: str) -> None:
    """What is no HTTP, with a key in it."""
    async with raw_connection(gateway.url) as connection:
        await connection.send(head("GET", BADGES, f"X-API-Key: {key}", "Bad\0Header: x"))
        await connection.answer()
    async with raw_connection(gateway.url) as connection:
        await connection.send(head("POST", AWARD, f"X-API-Key: {key}", "Content-Length: 10"))


def assert_told_nothing(answers: Sequence[httpx.Response], secrets: Sequence[str]) -> None:
    for answer in answers:
        said = f"{answer.headers}{answer.text}"
        assert not [secret for secret in secrets if secret in said], answer.request.url


async def test_keys_are_in_no_answer_no_log_and_no_metric(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    made_up = f"bq_live_{os.urandom(16).hex()}"
    malformed = f"bq_live_{os.urandom(16).hex()}x"
    secrets = secrets_of(demo, made_up, malformed[:-1])
    gateway = await worker.gateway(log_level="DEBUG").ready()
    answers = []
    for key in (demo.live_key, demo.live_admin_key, demo.test_admin_key, made_up, malformed):
        answers += await call_in_every_way(gateway.url, key)
        await broken_call(gateway, key)
    assert {answer.status_code for answer in answers} >= {200, 202, 400, 401, 403, 404, 405, 413, 415, 422}

    await connection.execute("ALTER TABLE badges RENAME TO gone")  # a failure that nobody foresaw
    answers += await call_in_every_way(gateway.url, demo.live_admin_key)
    await connection.execute("ALTER TABLE gone RENAME TO badges")
    worker.services[0].send(SIGSTOP)
    answers += await call_in_every_way(gateway.url, demo.test_key, "unheard of")
    worker.services[0].send(SIGCONT)
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        answers += [await client.get("/metrics"), await client.get("/openapi.json")]
    assert {answer.status_code for answer in answers} >= {500, 503}
    assert_told_nothing(answers, secrets)
    await asyncio.to_thread(gateway.stop)
    log = gateway.log.read_text()
    assert "request.failed" in log
    assert not [secret for secret in secrets if secret in log]
    for table in ("api_keys", "tenants", "awards", "outbox", "rejected_requests"):
        rows = await connection.fetchval(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} AS t")  # noqa: S608 - ours
        assert not [secret for secret in secrets if secret in rows], table


async def test_keys_are_in_nothing_while_kafka_and_postgres_are_away(worker: Installation, demo: DemoTenant) -> None:
    secrets = secrets_of(demo)
    without_kafka = KafkaSettings(bootstrap=CLOSED)
    for url in (worker.database_url, f"postgresql://nobody@{CLOSED}/none"):
        async with installation(url, without_kafka, worker.folder) as place:
            gateway = place.gateway(log_level="DEBUG")
            async with httpx.AsyncClient() as client, asyncio.timeout(20):
                while True:
                    try:
                        await client.get(f"{gateway.url}/livez")
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
            answers = await call_in_every_way(gateway.url, demo.live_key)
        assert 503 in {answer.status_code for answer in answers}
        assert_told_nothing(answers, secrets)
        log = gateway.log.read_text()
        assert log
        assert not [secret for secret in secrets if secret in log]


async def test_of_a_wrong_key_nothing_is_told_by_the_answer_nor_by_its_time(
    shared: Shared, tenant: Tenant, look: asyncpg.Connection
) -> None:
    """A key that was revoked, and ones that agree with a good key in all digits but the first, or the last."""
    revoked = await tenant.new_key()
    await look.execute("UPDATE api_keys SET revoked_at = now() WHERE tenant_id = $1 AND scopes = '{}'", tenant.id)
    good = tenant.admin_key
    another = {digit: "0" if digit != "0" else "1" for digit in "0123456789abcdef"}
    kinds: Mapping[str, Callable[[], str]] = {
        "revoked": lambda: revoked,
        "first digit": lambda: f"{good[:8]}{another[good[8]]}{good[9:]}",
        "last digit": lambda: f"{good[:-1]}{another[good[-1]]}",
        "unknown": lambda: f"bq_live_{os.urandom(16).hex()}",
        "other environment": lambda: good.replace("live", "test"),
    }
    async with shared.client() as client:
        assert (await client.get("/admin/badges", headers={"X-API-Key": good})).status_code == 200
        answers: dict[str, httpx.Response] = {}
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(4):
            await asyncio.sleep(1.1)  # what was unknown is looked up again
            for kind, key in kinds.items():
                started = time.perf_counter()
                answers[kind] = await client.get("/admin/badges", headers={"X-API-Key": key()})
                seconds[kind].append(time.perf_counter() - started)
    said = {(a.status_code, a.content, *(v for n, v in a.headers.items() if n != "date")) for a in answers.values()}
    assert len(said) == 1
    assert max(map(statistics.median, seconds.values())) < 0.5, "each is one look-up by its hash"


@pytest.mark.parametrize("key", ["bq_live_" + "F" * 32, "BQ_LIVE_" + "0" * 32, "bq_prod_" + "0" * 32, "Bearer x"])
async def test_what_is_no_key_is_refused_in_the_same_words(key: str, shared: Shared) -> None:
    async with shared.client() as client:
        unknown = await client.get("/admin/badges", headers={"X-API-Key": "bq_live_" + "0" * 32})
        answer = await client.get("/admin/badges", headers={"X-API-Key": key})
    assert (answer.status_code, answer.content) == (401, unknown.content)

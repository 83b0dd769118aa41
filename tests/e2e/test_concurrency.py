"""Calls at once, on two gateways: one earner, one creator, and never an award after its badge is gone."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import asyncpg
import httpx
import pytest

from messaging.topics import topics_of
from observers import read_topic
from processes import Service
from shared import GAMIFY, Shared, Tenant

THREADS, CALLS = 8, 200
WELL_UNDER_WAY = 8
AWARD, BADGES = "/badges/award", "/admin/badges"
POWER_USER = {"participant_id": "user_123", "badge_code": "power_user"}


@pytest.fixture(scope="module")
def gateways(shared: Shared) -> Sequence[Service]:
    """Two gateways without a cap worth the name."""
    pair = [shared.place.gateway(awards_per_minute="1000000") for _ in range(2)]
    for gateway in pair:
        asyncio.run(gateway.ready())
    return pair


@pytest.fixture
async def pair(gateways: Sequence[Service], tenant: Tenant) -> AsyncIterator[Sequence[httpx.AsyncClient]]:
    """An administrator at each gateway."""
    headers = {"X-API-Key": tenant.admin_key}
    first, second = (
        httpx.AsyncClient(base_url=gateway.url + GAMIFY, headers=headers, timeout=15) for gateway in gateways
    )
    async with first, second:
        yield first, second


def call_often(url: str, key: str) -> list[tuple[int, Any]]:
    """Award the same badge to the same participant again and again; return the answers."""
    with httpx.Client(base_url=url + GAMIFY, headers={"X-API-Key": key}, timeout=15) as client:
        answers = [client.post(AWARD, json=POWER_USER) for _ in range(CALLS)]
    return [(answer.status_code, answer.json()) for answer in answers]


async def test_of_1600_calls_in_8_threads_one_earns_and_one_event_tells_of_it(
    gateways: Sequence[Service], tenant: Tenant, shared: Shared, look: asyncpg.Connection
) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        loop = asyncio.get_running_loop()
        urls = [gateways[number % 2].url for number in range(THREADS)]
        calls = [loop.run_in_executor(threads, call_often, url, tenant.key) for url in urls]
        answers = [answer for each in await asyncio.gather(*calls) for answer in each]
    assert Counter(status for status, _ in answers) == {200: THREADS * CALLS}
    assert Counter(body["already_earned"] for _, body in answers) == {False: 1, True: THREADS * CALLS - 1}
    assert len({body["earned_at"] for _, body in answers}) == 1
    assert await look.fetchval("SELECT count(*) FROM awards WHERE tenant_id = $1", tenant.id) == 1
    records = await read_topic(shared.place.kafka, topics_of(shared.place.kafka).badge_awarded, at_least=1, settle=1.5)
    events = [json.loads(record.value or b"") for record in records]
    (event,) = [event for event in events if event["tenant_id"] == str(tenant.id)]
    assert event["earned_at"] == answers[0][1]["earned_at"]


async def test_of_two_creations_at_once_one_succeeds_and_the_other_hears_of_the_conflict(
    pair: Sequence[httpx.AsyncClient], tenant: Tenant, look: asyncpg.Connection
) -> None:
    for number in range(30):
        body = {"code": f"code_{number}", "name": "Twice"}
        answers = await asyncio.gather(*(client.post(BADGES, json=body) for client in [*pair, *pair]))
        assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]
        codes = {answer.json()["code"] for answer in answers if answer.status_code == 400}
        assert codes == {"badge_code_conflict"}
    query = "SELECT count(*), count(DISTINCT code) FROM badges WHERE tenant_id = $1 AND name = 'Twice'"
    assert tuple(await look.fetchrow(query, tenant.id)) == (30, 30)


async def test_patch_against_delete_loses_neither(pair: Sequence[httpx.AsyncClient], tenant: Tenant) -> None:
    badge = await tenant.define("contested")
    path = f"{BADGES}/{badge.id}"
    for number in range(30):
        patched, deleted = await asyncio.gather(
            pair[number % 2].patch(path, json={"name": f"Name {number}", "display_order": number}),
            pair[1 - number % 2].delete(path),
        )
        assert (patched.status_code, deleted.status_code) == (200, 200)
        stands = (await pair[0].get(path)).json()
        assert (stands["name"], stands["display_order"], stands["is_active"]) == (f"Name {number}", number, False)
        assert (await pair[0].patch(path, json={"is_active": True})).json()["is_active"] is True


async def test_patches_of_different_fields_at_once_both_stand(
    pair: Sequence[httpx.AsyncClient], tenant: Tenant
) -> None:
    badge = await tenant.define("contested")
    path = f"{BADGES}/{badge.id}"
    for number in range(30):
        await asyncio.gather(
            pair[0].patch(path, json={"name": f"Name {number}"}),
            pair[1].patch(path, json={"category": f"category {number}"}),
        )
        stands = (await pair[0].get(path)).json()
        assert (stands["name"], stands["category"]) == (f"Name {number}", f"category {number}")


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("UPDATE api_keys SET revoked_at = now() WHERE tenant_id = $1", 401),
        ("UPDATE api_keys SET expires_at = now() WHERE tenant_id = $1", 401),
        ("UPDATE tenants SET is_enabled = false WHERE id = $1", 403),
    ],
)
async def test_key_that_ends_stops_working_on_every_gateway_within_5_seconds(
    ending: str, status: int, pair: Sequence[httpx.AsyncClient], tenant: Tenant, look: asyncpg.Connection
) -> None:
    for client in pair:
        assert (await client.get(BADGES)).status_code == 200
    await look.execute(ending, tenant.id)
    async with asyncio.timeout(5):
        for client in pair:
            while (answer := await client.get(BADGES)).status_code == 200:
                await asyncio.sleep(0.1)
            assert answer.status_code == status
    for client in pair:
        assert (await client.get(BADGES)).status_code == status


@pytest.mark.parametrize("how", ["DELETE", "PATCH"])
async def test_award_that_begins_after_a_deactivation_answered_never_succeeds(
    how: str, pair: Sequence[httpx.AsyncClient], tenant: Tenant, look: asyncpg.Connection
) -> None:
    """Awards run all the time on both gateways, which believe for 5 s that a badge is active."""
    for number in range(8):
        badge = await tenant.define(f"ending_{number}")
        race = Race(pair, badge.code)
        async with asyncio.TaskGroup() as group:
            for client in [*pair, *pair]:
                group.create_task(race.award_on(client))
            await race.is_well_under_way.wait()
            body = {"is_active": False} if how == "PATCH" else None
            answer = await pair[number % 2].request(how, f"{BADGES}/{badge.id}", json=body)
            assert answer.status_code == 200
            race.is_over = True
            late = await asyncio.gather(*(race.award(client) for client in [*pair, *pair]))
        assert [(each.status_code, each.json()["code"]) for each in late] == [(404, "badge_not_found")] * 4
        assert set(race.statuses) <= {200, 404}
        rows = await look.fetchval("SELECT count(*) FROM awards WHERE badge_id = $1", badge.id)
        assert rows == race.earned >= WELL_UNDER_WAY


class Race:
    """Awards of one badge, each to a participant of its own, until the badge is deactivated."""

    def __init__(self, clients: Sequence[httpx.AsyncClient], code: str) -> None:
        self._clients = clients
        self._code = code
        self._numbers = count()
        self.statuses: Counter[int] = Counter()
        self.earned = 0
        self.is_over = False
        self.is_well_under_way = asyncio.Event()

    async def award_on(self, client: httpx.AsyncClient) -> None:
        """Award without a pause; what began before the end may succeed or not."""
        while not self.is_over:
            answer = await self.award(client)
            if answer.status_code == 200:
                assert answer.json()["already_earned"] is False
                self.earned += 1
            if self.earned >= WELL_UNDER_WAY:
                self.is_well_under_way.set()

    async def award(self, client: httpx.AsyncClient) -> httpx.Response:
        """One more participant."""
        body = {"participant_id": f"user_{next(self._numbers)}", "badge_code": self._code}
        answer = await client.post(AWARD, json=body)
        self.statuses[answer.status_code] += 1
        return answer

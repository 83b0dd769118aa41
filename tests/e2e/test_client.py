"""`badges_client` against a real gateway and worker."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from badges_client import (
    AsyncBadgesClient,
    AwardPending,
    BadgeCodeConflict,
    BadgeNotFound,
    BadgesClient,
    BadgesError,
    ConnectionFailed,
    Forbidden,
    RateLimited,
    Retries,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    ValidationFailed,
)
from both_clients import Call, Clients, both, calling
from devstack.seed import DemoTenant
from messaging.settings import KafkaSettings
from processes import Installation, installation
from shared import Shared, Tenant

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
ONCE = Retries(attempts=1)
NOWHERE = "127.0.0.1:1"
IDS = ["a/b", "/", ".", "..", "../..", "a%2Fb", "a b+c", "?a=b#c", "\n", "\r\nX: y", "\x01\x7f", "e\u0301", "🏅" * 255]


@pytest.fixture
async def call(kind: Clients, shared: Shared, tenant: Tenant) -> AsyncIterator[Call]:
    """Calls with the tenant's plain key."""
    async with calling(kind, shared.api_url, tenant.key, retries=ONCE) as made:
        yield made


@pytest.fixture
async def admin_call(kind: Clients, shared: Shared, tenant: Tenant) -> AsyncIterator[Call]:
    """Calls with the tenant's admin key."""
    async with calling(kind, shared.api_url, tenant.admin_key, retries=ONCE) as made:
        yield made


@both
async def test_second_award_returns_the_first_one(call: Call) -> None:
    first = await call("award", "user_123", "power_user", {"trigger": "10th_login"})
    again = await call("award", "user_123", "power_user")
    assert (first.already_earned, again.already_earned) == (False, True)
    assert (again.earned_at, again.badge_name, again.rarity) == (first.earned_at, "Power User", "rare")
    listed = await call("participant_badges", "user_123")
    assert (listed.total, listed.earned_count) == (2, 1)
    assert [(badge.code, badge.earned_at) for badge in listed.badges] == [
        ("first_steps", None),
        ("power_user", first.earned_at),
    ]


@both
async def test_badge_codes_filter_the_list(call: Call, tenant: Tenant) -> None:
    await tenant.define("a b/+é")
    for asked, shown in ((["a b/+é", "no"], ["a b/+é"]), (["night_owl"], ["night_owl"]), ([], []), (["\ud800"], [])):
        assert [row.code for row in (await call("participant_badges", "u", badge_codes=asked)).badges] == shown


@both
async def test_requested_award_is_made(call: Call) -> None:
    accepted = await call("request_award", "user_123", "power_user")
    assert (accepted.participant_id, accepted.badge_code) == ("user_123", "power_user")
    async with asyncio.timeout(10):
        while not (await call("participant_badges", "user_123", earned_only=True)).badges:
            await asyncio.sleep(0.05)


@both
async def test_whatever_can_be_awarded_can_be_listed(call: Call) -> None:
    for participant_id in IDS:
        award = await call("award", participant_id, "power_user")
        listed = await call("participant_badges", participant_id, earned_only=True)
        assert (award.participant_id, listed.participant_id) == (participant_id, participant_id)
        assert [row.earned_at for row in listed.badges] == [award.earned_at]


@both
async def test_admin_round_trip(admin_call: Call, tenant: Tenant) -> None:
    made = await admin_call("create_badge", "streak_7", "Seven Days", rarity="epic", category="streaks")
    assert (made.tenant_id, made.rarity, made.is_active, made.display_order) == (tenant.id, "epic", True, 0)
    assert await admin_call("get_badge", made.id) == made
    assert await admin_call("update_badge", made.id) == made

    changed = await admin_call("update_badge", made.id, category=None, description="Seven in a row.")
    assert (changed.category, changed.description, changed.name) == (None, "Seven in a row.", "Seven Days")
    assert changed.updated_at > made.updated_at

    for _ in range(2):
        assert await admin_call("deactivate_badge", made.id) is None
    page = await admin_call("list_badges", is_active=False)
    assert ([badge.code for badge in page.items], page.total, page.next_page) == (["streak_7"], 1, None)
    first, second = [await admin_call("list_badges", page=number, page_size=2) for number in (1, 2)]
    assert (first.next_page, second.next_page, first.total) == (2, None, 4)
    assert list(first.items + second.items) == await admin_call("all_badges")
    assert [badge.code for badge in await admin_call("all_badges", category="onboarding")] == ["first_steps"]


async def refused(expected: type[BadgesError], code: str, made: Awaitable[Any]) -> BadgesError:
    """Return the error that the call ends with: of that type and code."""
    with pytest.raises(expected) as failed:
        await made
    assert (type(failed.value), failed.value.code) == (expected, code)
    return failed.value


@both
async def test_refusals_have_their_own_errors(kind: Clients, shared: Shared, call: Call, admin_call: Call) -> None:
    async with calling(kind, shared.api_url, "bq_live_" + "0" * 32) as stranger:
        await refused(Unauthorized, "unauthorized", stranger("participant_badges", "u"))
    await refused(Forbidden, "forbidden", call("list_badges"))
    await refused(BadgeNotFound, "badge_not_found", call("award", "u", "no_such_badge"))
    await refused(BadgeNotFound, "badge_not_found", admin_call("get_badge", uuid4()))
    await refused(BadgeCodeConflict, "badge_code_conflict", admin_call("create_badge", "power_user", "Another"))
    for hostile in ("", "\0", "\ud800", "x" * 256):
        for name, more in (("award", ["power_user"]), ("request_award", ["power_user"]), ("participant_badges", [])):
            assert (await refused(ValidationFailed, "validation_error", call(name, hostile, *more))).errors
    wrong = await refused(ValidationFailed, "validation_error", call("award", "u", "power_user", {"a": float("nan")}))
    assert wrong.status == 422
    await refused(ValidationFailed, "validation_error", admin_call("list_badges", page=0))
    large = await refused(BadgesError, "payload_too_large", call("award", "u", "power_user", {"a": "x" * 65_536}))
    assert large.status == 413


@both
async def test_disabled_tenant_is_forbidden(call: Call, look: asyncpg.Connection, tenant: Tenant) -> None:
    await look.execute("UPDATE tenants SET is_enabled = false WHERE id = $1", tenant.id)
    with pytest.raises(Forbidden, match="disabled"):
        await call("award", "u", "power_user")


async def test_121st_award_in_a_minute_is_rate_limited(shared: Shared, tenant: Tenant) -> None:
    async with AsyncBadgesClient(shared.api_url, tenant.key) as client:
        await asyncio.gather(*(client.request_award("u", "power_user") for _ in range(120)))
        with pytest.raises(RateLimited) as limited:
            await client.award("u", "power_user")
    assert limited.value.retry_after is not None
    assert 30 < limited.value.retry_after <= 61


@both
async def test_wrong_address_is_told_from_a_refusal(kind: Clients, shared: Shared, tenant: Tenant) -> None:
    for url, error in ((shared.worker_url, UnexpectedAnswer), (f"http://{NOWHERE}", ConnectionFailed)):
        async with calling(kind, url, tenant.key, retries=ONCE) as call:
            with pytest.raises(error):
                await call("award", "u", "power_user")


async def test_award_without_a_worker_is_repeated_until_there_is_one(badges: Installation, demo: DemoTenant) -> None:
    gateway = await badges.gateway().ready()
    pauses = []

    async def until_a_worker_is_there(seconds: float) -> None:
        pauses.append(seconds)
        await badges.worker().ready()

    def told_at_once() -> None:
        with (
            BadgesClient(gateway.url, demo.live_key, retries=ONCE) as blocking,
            pytest.raises(AwardPending) as pending,
        ):
            blocking.award("user_1", "power_user")
        assert (pending.value.status, pending.value.retry_after) == (503, 1)

    async with AsyncBadgesClient(gateway.url, demo.live_key, sleep=until_a_worker_is_there) as client:
        told = asyncio.create_task(asyncio.to_thread(told_at_once))
        award = await client.award("user_2", "power_user")
        await told
        listed = await client.participant_badges("user_1", earned_only=True)
    assert award.already_earned is True
    assert [row.code for row in listed.badges] == ["power_user"]
    (pause,) = pauses
    assert 1.1 <= pause <= 1.2


async def test_gateway_without_postgres_is_unavailable(tmp_path: Path) -> None:
    kafka = KafkaSettings(bootstrap=NOWHERE)
    async with installation(f"postgresql://nobody@{NOWHERE}/nothing", kafka, tmp_path) as place:
        patient = Retries(attempts=100, first_pause=0.1, longest_pause=0.1, deadline=20)
        async with AsyncBadgesClient(place.gateway().url, "bq_live_" + "0" * 32, retries=patient) as client:
            with pytest.raises(Unavailable) as unavailable:
                await client.create_badge("c", "n")
    assert (unavailable.value.code, unavailable.value.retry_after) == ("unavailable", 1)


def test_documented_examples_run(shared: Shared, tenant: Tenant) -> None:
    examples = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    environment = {**os.environ, "BADGES_URL": shared.api_url, "BADGES_KEY": tenant.admin_key}
    for example in examples:
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", example], env=environment, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "power_user" in ran.stdout

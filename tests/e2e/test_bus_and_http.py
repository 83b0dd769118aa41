"""The same request over HTTP and over the bus has the same result: award or not, row, event."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka import ConsumerRecord

from domain.awards import RejectionReason
from domain.tenants import Environment, new_key
from messaging.award_requested import EVENT_TYPE, request_key
from messaging.clients import create_producer, stop_producer
from messaging.topics import topics_of
from observers import header, read_topic
from requests_both_ways import ANSWERS, HIDDEN, INACTIVE, LONGEST_CODE, Case, asking, awarded, rejected
from shared import Shared, Tenant, make_tenant
from storage.database import Database

AWARD = "/badges/award"
SECONDS = 30
OWN = ("tenant_id", "badge_id", "request_id", "source")
"""What differs between two tenants' events, and between the two ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A case on the bus: its request's id, and where its record is."""

    case: Case
    request_id: str
    partition: int
    offset: int


@pytest.fixture
async def upstream(shared_database: Database) -> Tenant:
    """A tenant whose requests come over the bus, with the same badges."""
    return await make_tenant(shared_database, f"slug-{uuid4()}", Environment.LIVE)


async def define(look: asyncpg.Connection, *tenants: Tenant) -> None:
    """Have the badges that the cases name."""
    for tenant in tenants:
        await tenant.define(LONGEST_CODE)
        await tenant.define(HIDDEN, is_hidden=True)
        paused = await tenant.define(INACTIVE)
        await look.execute("UPDATE badges SET is_active = false WHERE id = $1", paused.id)


async def call(client: httpx.AsyncClient, case: Case) -> httpx.Response:
    """Ask over HTTP."""
    return await client.post(AWARD, content=case.over_http(), headers={"Content-Type": case.content_type})


async def put(shared: Shared, tenant_id: UUID, cases: Mapping[str, tuple[Case, str | None]]) -> Sequence[Sent]:
    """Publish each case, with a time for its event if one is given."""
    producer = create_producer(shared.place.kafka)
    topic = topics_of(shared.place.kafka).award_requests
    sent = []
    try:
        await producer.start()
        for case, time in cases.values():
            request_id = str(uuid4())
            headers = [("ce_type", EVENT_TYPE), ("ce_id", request_id), ("ce_source", "/upstream")]
            headers += [("content-type", case.content_type), *([("ce_time", time)] if time else [])]
            place = await producer.send_and_wait(
                topic,
                case.over_the_bus(tenant_id),
                key=request_key(tenant_id, case.name),
                headers=[(name, text.encode()) for name, text in headers],
            )
            sent.append(Sent(case=case, request_id=request_id, partition=place.partition, offset=place.offset))
    finally:
        await stop_producer(producer)
    return sent


async def decided(shared: Shared, look: asyncpg.Connection, sent: Sequence[Sent]) -> Mapping[str, str]:
    """Wait until each request is awarded or rejected; the case's name with `awarded` or the reason."""
    topic = topics_of(shared.place.kafka).award_requests
    ids = [each.request_id for each in sent]
    async with asyncio.timeout(SECONDS):
        while True:
            rows = await look.fetch('SELECT partition, "offset", reason FROM rejected_requests WHERE topic = $1', topic)
            reasons = {(row["partition"], row["offset"]): row["reason"] for row in rows}
            rows = await look.fetch("SELECT request_id FROM awards WHERE request_id = ANY($1)", ids)
            earners = {row["request_id"] for row in rows}
            found = {
                each.case.name: "awarded" if each.request_id in earners else reasons.get((each.partition, each.offset))
                for each in sent
            }
            if None not in found.values():
                return {name: str(outcome) for name, outcome in found.items()}
            await asyncio.sleep(0.05)


async def events(shared: Shared, tenant_id: UUID, count: int) -> Sequence[ConsumerRecord]:
    """The tenant's events, once there are so many of them."""
    topic = topics_of(shared.place.kafka).badge_awarded
    async with asyncio.timeout(SECONDS):
        while True:
            records = await read_topic(shared.place.kafka, topic, at_least=1, settle=0.5)
            ours = [record for record in records if json.loads(record.value)["tenant_id"] == str(tenant_id)]
            if len(ours) >= count:
                return ours


async def rows(look: asyncpg.Connection, tenant: Tenant) -> Sequence[Mapping[str, Any]]:
    """The tenant's awards, but for what is each way's own."""
    found = await look.fetch(
        "SELECT a.participant_id, b.code, a.earned_at, a.metadata FROM awards a JOIN badges b ON b.id = a.badge_id"
        " WHERE a.tenant_id = $1 ORDER BY 1, 2",
        tenant.id,
    )
    return [dict(row) for row in found]


def shared_part(event: ConsumerRecord) -> Mapping[str, Any]:
    """An event's data and attributes that are the same whichever way the request came."""
    data = {name: value for name, value in json.loads(event.value).items() if name not in OWN}
    return data | {name: header(event, name) for name in ("ce_type", "ce_source", "ce_subject", "ce_time")}


async def test_good_requests_have_the_same_row_and_event_either_way(
    shared: Shared, client: httpx.AsyncClient, tenant: Tenant, upstream: Tenant, look: asyncpg.Connection
) -> None:
    await define(look, tenant, upstream)
    answers = {case.name: (case, await call(client, case)) for case in awarded()}
    assert {name: answer.text for name, (_, answer) in answers.items() if answer.status_code != 200} == {}
    assert {answer.json()["already_earned"] for _, answer in answers.values()} == {False}
    timed = {name: (case, str(answer.json()["earned_at"])) for name, (case, answer) in answers.items()}
    outcomes = await decided(shared, look, await put(shared, upstream.id, timed))
    assert outcomes == dict.fromkeys(answers, "awarded")
    assert await rows(look, tenant) == await rows(look, upstream)
    told = [
        {header(event, "ce_id"): shared_part(event) for event in await events(shared, each.id, len(answers))}
        for each in (tenant, upstream)
    ]
    assert [len(each) for each in told] == [len(answers)] * 2
    assert sorted(map(repr, told[0].values())) == sorted(map(repr, told[1].values()))


async def test_bad_requests_are_rejected_for_the_same_reason_either_way(
    shared: Shared, client: httpx.AsyncClient, tenant: Tenant, upstream: Tenant, look: asyncpg.Connection
) -> None:
    await define(look, tenant, upstream)
    cases = {case.name: case for case in rejected()}
    answers = {name: await call(client, case) for name, case in cases.items()}
    assert {name: (answer.status_code, answer.json()["code"]) for name, answer in answers.items()} == {
        name: case.answer for name, case in cases.items()
    }
    sent = await put(shared, upstream.id, {name: (case, None) for name, case in cases.items()})
    assert await decided(shared, look, sent) == {name: case.reason for name, case in cases.items()}
    assert await rows(look, tenant) == await rows(look, upstream) == []


@pytest.mark.parametrize("reason", [RejectionReason.TENANT_DISABLED, RejectionReason.UNKNOWN_TENANT])
async def test_tenant_that_may_not_ask_may_not_either_way(
    reason: RejectionReason, shared: Shared, tenant: Tenant, look: asyncpg.Connection
) -> None:
    case = Case(name="user_123", body=asking("user_123"), reason=reason)
    key, tenant_id = tenant.key, tenant.id
    if reason is RejectionReason.TENANT_DISABLED:
        await look.execute("UPDATE tenants SET is_enabled = false WHERE id = $1", tenant.id)
    else:
        key, tenant_id = new_key(Environment.LIVE, lambda size: uuid4().bytes[:size]), uuid4()
    async with shared.client(key) as caller:
        answer = await call(caller, case)
    assert (answer.status_code, answer.json()["code"]) == ANSWERS[reason]
    sent = await put(shared, tenant_id, {case.name: (case, None)})
    assert await decided(shared, look, sent) == {case.name: reason}
    assert await rows(look, tenant) == []


@pytest.mark.parametrize("first", ["http", "bus"])
async def test_second_request_changes_nothing_whichever_way_each_came(
    first: str, shared: Shared, client: httpx.AsyncClient, tenant: Tenant, look: asyncpg.Connection
) -> None:
    case = Case(name="user_123", body=asking("user_123"))
    marker = Case(name="marker", body=asking("user_123", badge_code="first_steps"))  # behind it in the partition
    both: Mapping[str, tuple[Case, str | None]] = {"again": (case, "2020-01-01T00:00:00Z")}
    if first == "http":
        before = (await call(client, case)).json()
        await put(shared, tenant.id, both)
    else:
        await decided(shared, look, await put(shared, tenant.id, both))
        before = {"already_earned": False, "earned_at": "2020-01-01T00:00:00Z"}
    assert (await call(client, marker)).status_code == 200
    after = (await call(client, case)).json()
    assert (before["already_earned"], after["already_earned"]) == (False, True)
    assert after["earned_at"] == before["earned_at"]
    told = await events(shared, tenant.id, 2)
    assert sorted(json.loads(event.value)["badge_code"] for event in told) == ["first_steps", "power_user"]

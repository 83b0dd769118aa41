"""Whatever text an id or a code is, and whatever JSON comes with it: award, list and event say it as it was sent."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.code_lists import write_code
from messaging.topics import topics_of
from observers import read_topic
from processes import Service
from raw_http import RawAnswer, head, raw_connection
from shared import GAMIFY, Shared, Tenant

EXAMPLES = 100
AWARD, BADGES = f"{GAMIFY}/badges/award", f"{GAMIFY}/admin/badges"

Told: TypeAlias = dict[tuple[str, str], Mapping[str, Any]]

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(CHARACTERS, max_size=40)
IDS = st.text(CHARACTERS, min_size=1, max_size=255)
CODES = st.text(CHARACTERS, min_size=1, max_size=50)
NUMBERS = st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
METADATA = st.none() | st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXT,
        lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def gateway(shared: Shared) -> Iterator[Service]:
    """A gateway without a cap worth the name: a smallest example is searched for with many calls."""
    service = shared.place.gateway(awards_per_minute="1000000")
    asyncio.run(service.ready())
    yield service
    service.stop()


class Caller:
    """Somebody who awards, lists, and remembers what was told."""

    def __init__(self, gateway: Service, tenant: Tenant) -> None:
        self._gateway = gateway
        self._tenant = tenant
        self._client = httpx.Client(base_url=gateway.url, headers={"X-API-Key": tenant.admin_key}, timeout=15)
        self.told: Told = {}

    def award(self, participant_id: str, code: str, metadata: object) -> None:
        """Define the badge, award it, and see the award in the answer and in the list."""
        created = self._client.post(BADGES, json={"code": code, "name": "Any"})
        assert created.status_code == 201 or created.json()["code"] == "badge_code_conflict", created.text
        body = {"participant_id": participant_id, "badge_code": code, "metadata": metadata}
        answer = self._client.post(AWARD, json=body)
        assert answer.status_code == 200, answer.text
        awarded = answer.json()
        assert (awarded["participant_id"], awarded["badge_code"]) == (participant_id, code)
        first = self.told.setdefault((participant_id, code), body | {"earned_at": awarded["earned_at"]})
        assert first["earned_at"] == awarded["earned_at"]
        listed = asyncio.run(self._list(participant_id, code))
        assert listed["participant_id"] == participant_id
        (row,) = listed["badges"]
        assert (row["code"], row["earned"], row["earned_at"]) == (code, True, awarded["earned_at"])

    async def _list(self, participant_id: str, code: str) -> Any:
        """By hand: clients tidy up paths that hold dots."""
        query = urlencode({"badge_codes": write_code(code)}, quote_via=quote)
        target = f"{GAMIFY}/participants/{quote(participant_id, safe='')}/badges?{query}"
        async with raw_connection(self._gateway.url) as connection:
            await connection.send(head("GET", target, f"X-API-Key: {self._tenant.admin_key}"))
            answer: RawAnswer = await connection.answer()
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def close(self) -> None:
        self._client.close()


async def events_of(shared: Shared, tenant: Tenant, count: int) -> list[dict[str, Any]]:
    """The tenant's events, once there are so many."""
    topic = topics_of(shared.place.kafka).badge_awarded
    async with asyncio.timeout(30):
        while True:
            records = await read_topic(shared.place.kafka, topic)
            found = [json.loads(record.value or b"") for record in records]
            events = [event for event in found if event["tenant_id"] == str(tenant.id)]
            if len(events) >= count:
                return events


def written(value: object) -> str:
    """As JSON that tells 1 from 1.0."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.timeout(300)
async def test_what_is_awarded_is_listed_and_told_as_it_was_sent(
    gateway: Service, shared: Shared, tenant: Tenant
) -> None:
    caller = Caller(gateway, tenant)

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(participant_id=IDS, code=CODES, metadata=METADATA)
    @example(participant_id="..", code='","', metadata={"": {"a": [1, 1.0, -0.0, 10**40, 5e-324, True, None]}})
    @example(participant_id="🏅" * 255, code="é" * 50, metadata={"e\u0301": "\u2028\x7f\x01", "é": "\\u0000"})
    @example(participant_id="\r\n%2F?#", code=" \n", metadata={})
    def round_trip(participant_id: str, code: str, metadata: object) -> None:
        caller.award(participant_id, code, metadata)

    try:
        await asyncio.to_thread(round_trip)
    finally:
        caller.close()
    events = await events_of(shared, tenant, len(caller.told))
    assert len(events) == len(caller.told) >= EXAMPLES // 2
    for event in events:
        sent = caller.told[event["participant_id"], event["badge_code"]]
        assert written(event["metadata"]) == written(sent["metadata"])
        assert event["earned_at"] == sent["earned_at"]


UNFIT = st.one_of(
    st.text(CHARACTERS, min_size=256, max_size=300),
    st.tuples(TEXT, st.just("\0"), TEXT).map("".join),
    st.tuples(TEXT, st.characters(categories=["Cs"]), TEXT).map("".join),
    st.just(""),
    st.integers() | st.booleans() | st.none() | st.lists(TEXT, max_size=2),
)


async def test_what_can_be_no_id_is_422_and_never_worse(gateway: Service, tenant: Tenant) -> None:
    with httpx.Client(base_url=gateway.url, headers={"X-API-Key": tenant.key}, timeout=15) as client:

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
        @given(participant_id=UNFIT)
        def refused(participant_id: object) -> None:
            content = json.dumps({"participant_id": participant_id, "badge_code": "power_user"})
            answer = client.post(AWARD, content=content, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
            assert answer.json()["errors"][0]["loc"] == ["body", "participant_id"]

        await asyncio.to_thread(refused)

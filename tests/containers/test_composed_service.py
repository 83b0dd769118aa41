"""The service in its containers keeps its promise, whatever container dies."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any

import httpx
import pytest

from containers.composition import Composition, docker, inspected
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import header, read_topic

pytestmark = [pytest.mark.containers, pytest.mark.timeout(400)]

SERVICES = ("api", "award-worker")
RETRIES_SECONDS = 90

_participants = count(1)


@pytest.fixture(scope="session")
def key(composition: Composition) -> str:
    """The demo tenant's key, as a newcomer gets it."""
    found = re.search(r"^live key +(bq_live_\w+)", composition.compose("run", "--rm", "--no-TTY", "demo"), re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
async def client(composition: Composition, key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of the gateway."""
    url = f"{composition.api_url}/api/v1/gamify"
    async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=15) as calling:
        yield calling


@pytest.fixture
def kafka(composition: Composition) -> KafkaSettings:
    """As a consumer on this machine reaches the topics."""
    return KafkaSettings(bootstrap=composition.bootstrap)


@pytest.fixture
def participant() -> str:
    """Somebody who has no badge yet."""
    return f"participant-{next(_participants)}"


async def award(client: httpx.AsyncClient, participant: str) -> dict[str, Any]:
    """Ask until there is an answer, as callers are told to."""
    asked = {"participant_id": participant, "badge_code": "power_user"}
    async with asyncio.timeout(RETRIES_SECONDS):
        while True:
            try:
                answer = await client.post("/badges/award", json=asked)
            except httpx.TransportError:
                answer = httpx.Response(503)
            if answer.status_code == httpx.codes.OK:
                told: dict[str, Any] = answer.json()
                return told
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            await asyncio.sleep(0.5)


async def heard_of(kafka: KafkaSettings, participants: Sequence[str]) -> Counter[str]:
    """How many events there are of each of them, once there are enough of all."""
    async with asyncio.timeout(RETRIES_SECONDS):
        while True:
            events = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=1, settle=1)
            heard = Counter(str(header(event, "ce_subject")) for event in events)
            if all(heard[one] for one in participants):
                return Counter({one: heard[one] for one in participants})


async def test_an_award_is_answered_listed_and_told_once(
    client: httpx.AsyncClient, kafka: KafkaSettings, participant: str
) -> None:
    first, again = await award(client, participant), await award(client, participant)
    assert (first["already_earned"], again) == (False, {**first, "already_earned": True})
    listed = (await client.get(f"/participants/{participant}/badges", params={"earned_only": True})).json()
    assert [(badge["code"], badge["earned_at"]) for badge in listed["badges"]] == [("power_user", first["earned_at"])]
    assert await heard_of(kafka, [participant]) == Counter([participant])


async def test_the_commands_find_the_demo_tenant(composition: Composition, key: str, participant: str) -> None:
    assert key
    assert participant in await asyncio.to_thread(composition.badgectl, "award", participant, "first_steps")
    assert "1 of 2 earned" in await asyncio.to_thread(composition.badgectl, "badges", participant)
    assert "0 failure" in await asyncio.to_thread(composition.badgectl, "doctor")


@pytest.mark.parametrize("service", SERVICES)
async def test_nothing_is_lost_or_repeated_when_a_container_is_killed_under_load(
    service: str, composition: Composition, client: httpx.AsyncClient, kafka: KafkaSettings
) -> None:
    before = composition.restarts(service)
    participants = [f"{service}-{number}" for number in range(120)]
    at_once = asyncio.Semaphore(8)

    async def ask(participant: str) -> dict[str, Any]:
        async with at_once:
            return await award(client, participant)

    asked = [asyncio.create_task(ask(participant)) for participant in participants]
    while sum(task.done() for task in asked) < 30:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(composition.crash, service)
    answers = await asyncio.gather(*asked)
    assert [answer["participant_id"] for answer in answers] == participants
    assert await heard_of(kafka, participants) == Counter(participants)
    assert composition.restarts(service) == before + 1
    await asyncio.to_thread(composition.up, "--no-deps", *SERVICES)


async def test_another_worker_joins_by_scale(
    composition: Composition, client: httpx.AsyncClient, participant: str
) -> None:
    await asyncio.to_thread(composition.up, "--no-deps", "--scale", "award-worker=2", *SERVICES)
    assert len(composition.containers("award-worker")) == 2
    assert not (await award(client, participant))["already_earned"]
    await asyncio.to_thread(composition.up, "--no-deps", "--scale", "award-worker=1", *SERVICES)
    assert not (await award(client, f"{participant}-again"))["already_earned"]


async def test_services_drain_and_end_with_0_when_they_are_stopped(
    composition: Composition, client: httpx.AsyncClient, participant: str
) -> None:
    await asyncio.to_thread(composition.compose, "stop", *SERVICES)
    ends = [inspected(composition.container(service))["State"] for service in SERVICES]
    assert [(end["ExitCode"], end["OOMKilled"]) for end in ends] == [(0, False), (0, False)]
    await asyncio.to_thread(composition.up, "--no-deps", *SERVICES)
    assert not (await award(client, participant))["already_earned"]


async def test_data_outlives_the_containers(
    composition: Composition, client: httpx.AsyncClient, kafka: KafkaSettings, participant: str, key: str
) -> None:
    first = await award(client, participant)
    await asyncio.to_thread(composition.compose, "rm", "--stop", "--force", "--volumes")
    await asyncio.to_thread(composition.up)
    assert await award(client, participant) == {**first, "already_earned": True}
    assert await heard_of(kafka, [participant]) == Counter([participant])
    shown = await asyncio.to_thread(composition.compose, "run", "--rm", "--no-TTY", "demo")
    assert key in shown


@pytest.mark.parametrize("service", SERVICES)
def test_process_has_no_rights_to_lose(service: str, composition: Composition) -> None:
    look = "import glob; [print(open(p).read()) for p in glob.glob('/proc/[0-9]*/status')]"
    told = docker("exec", composition.container(service), "python", "-IS", "-c", look)
    for name, value in (("CapEff", "0" * 16), ("CapPrm", "0" * 16), ("CapBnd", "0" * 16), ("NoNewPrivs", "1")):
        assert set(re.findall(rf"^{name}:\s+(\w+)$", told, re.MULTILINE)) == {value}
    assert set(re.findall(r"^Uid:\s+(.*)$", told, re.MULTILINE)) == {"\t".join(["10001"] * 4)}


@pytest.mark.parametrize("service", SERVICES)
def test_process_writes_nowhere(service: str, composition: Composition) -> None:
    container = composition.container(service)
    attempt = "open('/srv/.badges/x', 'w')"
    refused = "import errno\ntry: {}\nexcept OSError as error: print(errno.errorcode[error.errno])"
    assert docker("exec", container, "python", "-IS", "-c", refused.format(attempt)) == "EROFS\n"
    assert not inspected(container)["HostConfig"].get("Tmpfs")

"""A worker hangs longer than every timeout, another takes over, then the first one goes on."""

import asyncio
import signal
from collections import Counter

import asyncpg
import pytest

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import header, read_topic
from processes import Installation, Service

AWARDS = 20
AFTER_SECONDS = 4


async def wait_until_stopped(service: Service) -> None:
    """Return once the process is in the state T."""
    assert service.process is not None
    async with asyncio.timeout(20):
        while True:
            with open(f"/proc/{service.process.pid}/stat") as stat:  # noqa: ASYNC230, PTH123 - memory of the kernel's
                if stat.read().rpartition(")")[2].split()[0] == "T":
                    return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", ["stop_inside_transaction", "stop_before_commit"])
async def test_worker_that_goes_on_after_a_take_over_makes_no_second_event(
    fault: str, badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    requests = [award_request(tenant_id=demo.id, participant_id=f"user_{number}") for number in range(AWARDS)]
    await publish(badges.kafka, *requests)
    hanging = badges.faulty_worker(fault)
    await wait_until_stopped(hanging)
    await badges.worker().ready()
    topic = topics_of(badges.kafka).badge_awarded
    before = await read_topic(badges.kafka, topic, at_least=AWARDS, seconds=60)
    assert len(before) == AWARDS
    hanging.send(signal.SIGCONT)
    await asyncio.sleep(AFTER_SECONDS)
    after = await read_topic(badges.kafka, topic, at_least=AWARDS, settle=1)
    assert Counter(header(event, "ce_id") for event in after) == Counter(header(event, "ce_id") for event in before)
    assert await connection.fetchval("SELECT count(*) FROM awards") == AWARDS


async def test_lock_of_a_stopped_relay_is_free_after_its_session_has_timed_out(
    badges: Installation, demo: DemoTenant
) -> None:
    leader = await badges.worker().ready()
    await badges.worker().ready()
    leader.send(signal.SIGSTOP)
    loop = asyncio.get_running_loop()
    stopped_at = loop.time()
    await publish(badges.kafka, award_request(tenant_id=demo.id))
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1, seconds=45)
    assert len(events) == 1
    assert loop.time() - stopped_at < 40

import asyncio
import json
import os
import signal
import subprocess
import sys
from uuid import uuid4

import pytest

from devstack.seed import DemoTenant
from operator_commands import badgectl
from processes import Installation


def unread_events(place: Installation) -> tuple[int, bytes]:
    """How `badgectl events` ends, and what it complains of, when nobody reads what it prints."""
    reader, writer = os.pipe()
    os.close(reader)
    kafka = {"BADGES_KAFKA_BOOTSTRAP": place.kafka.bootstrap, "BADGES_KAFKA_PREFIX": place.kafka.prefix}
    done = subprocess.run(
        [sys.executable, "-m", "badgectl", "events"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        env={**os.environ, **kafka},
    )
    os.close(writer)
    return done.returncode, done.stderr


@pytest.fixture
async def gateway(worker: Installation, demo: DemoTenant) -> dict[str, str]:
    """A gateway's address and key, as the environment says them."""
    service = await worker.gateway().ready()
    return {"BADGES_URL": service.url, "BADGES_KEY": demo.live_key}


async def test_awards_over_http_are_listed_and_seen_as_events(worker: Installation, gateway: dict[str, str]) -> None:
    for participant_id in ("..", "a/b %2F"):
        award = ("award", participant_id, "power_user")
        first = await badgectl(worker, *award, "--metadata", '{"a": 1}', "--json", environment=gateway)
        assert json.loads(first.out)["already_earned"] is False, first.err
        again = await badgectl(worker, *award, environment=gateway)
        assert "had it already" in again.out
        listed = await badgectl(worker, "badges", participant_id, "--earned-only", "--json", environment=gateway)
        assert [badge["code"] for badge in json.loads(listed.out)["badges"]] == ["power_user"]
    assert "power_user" in (await badgectl(worker, "badges", "..", environment=gateway)).out

    refused = await badgectl(worker, "award", "u", "nowhere", environment=gateway)
    assert (refused.code, refused.out) == (1, "")
    assert "Badge 'nowhere' not found" in refused.err
    for command in (("award", "\udcff", "power_user"), ("badges", "\udcff")):
        unreadable = await badgectl(worker, *command, environment=gateway)
        assert (unreadable.code, "not UTF-8" in unreadable.err or "be UTF-8" in unreadable.err) == (1, True)

    while len(lines := (await badgectl(worker, "events", "--json")).out.splitlines()) < 2:
        await asyncio.sleep(0.1)
    events = [json.loads(line) for line in lines]
    assert {event["subject"] for event in events} == {"..", "a/b %2F"}
    assert events[0]["data"]["metadata"] == {"a": 1}
    assert len((await badgectl(worker, "events", "--limit", "1")).out.splitlines()) == 1
    assert unread_events(worker) == (-signal.SIGPIPE, b"")


async def test_followed_events_end_quietly_when_interrupted(worker: Installation, gateway: dict[str, str]) -> None:
    following = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "badgectl", "events", "--follow"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "BADGES_KAFKA_BOOTSTRAP": worker.kafka.bootstrap,
            "BADGES_KAFKA_PREFIX": worker.kafka.prefix,
        },
    )
    assert following.stdout is not None
    async with asyncio.timeout(60):
        # It begins at the end of the topic, whenever it has come so far: only its first line says that it has.
        first = asyncio.ensure_future(following.stdout.readline())
        while not first.done():
            await badgectl(worker, "award", str(uuid4()), "power_user", environment=gateway)
            await asyncio.wait([first], timeout=0.2)
        assert b"power_user" in first.result()
        following.send_signal(2)
        _, err = await following.communicate()
    assert (following.returncode, err) == (130, b"")

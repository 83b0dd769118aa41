"""`badgectl up` as an operator runs it: the real servers and services, in a folder of the test's own."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.layout import StackFolder
from devstack.plan import load_plan
from devstack.running import running
from devstack.stack import take_down
from devstack.stack_status import stack_status
from messaging.clients import cluster_id_at
from messaging.group_offsets import open_client
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

PATIENCE_S = 60

UP = ("sh", "-c", 'trap "" INT; exec "$0" -m badgectl up --gateways 2', sys.executable)
"""As a shell runs it in the background: with SIGINT ignored."""

UP_DETACHED = (sys.executable, "-m", "badgectl", "up", "--detach")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StackFolder]:
    folder = StackFolder.below(tmp_path)
    yield folder
    take_down(folder)


def is_starting(folder: StackFolder) -> bool:
    return bool(running(folder))


def is_up(folder: StackFolder) -> bool:
    return folder.stack.exists()


@pytest.mark.parametrize(
    ("moment", "end", "code"),
    [(is_starting, signal.SIGTERM, 130), (is_up, signal.SIGTERM, 0), (is_up, signal.SIGHUP, 0)],
)
def test_a_signal_ends_a_stack_that_a_shell_started_in_the_background(
    folder: StackFolder, moment: Callable[[StackFolder], bool], end: signal.Signals, code: int
) -> None:
    with subprocess.Popen(
        UP, cwd=folder.path.parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as up:
        until = time.monotonic() + PATIENCE_S
        while not moment(folder):
            assert up.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        up.send_signal(end)
        said, _ = up.communicate(timeout=PATIENCE_S)
    assert up.returncode == code, said.decode()
    assert running(folder) == []


async def test_two_stacks_that_start_at_once_are_each_ready_on_ports_of_their_own(tmp_path: Path) -> None:
    folders = [StackFolder.below(tmp_path / name) for name in ("one", "other")]
    for folder in folders:
        folder.path.parent.mkdir()
    try:
        ups = [
            await asyncio.create_subprocess_exec(*UP_DETACHED, cwd=folder.path.parent, stdout=subprocess.DEVNULL)
            for folder in folders
        ]
        assert [await up.wait() for up in ups] == [0, 0]
        plans = [plan for folder in folders if (plan := load_plan(folder.plan))]
        ports = [{*plan.api, *plan.worker, plan.kafka, plan.controller, plan.postgres, plan.control} for plan in plans]
        assert len(ports[0] | ports[1]) == 12
        settings = [KafkaSettings(bootstrap=plan.kafka_bootstrap) for plan in plans]
        assert len({await cluster_id_at(kafka) for kafka in settings}) == 2
        for folder, kafka in zip(folders, settings, strict=True):
            assert all(program.is_ready for program in await stack_status(folder))
            async with open_client(kafka) as client:
                there, ours = await client.fetch_all_metadata(), topics_of(kafka)
            assert {ours.award_requests, ours.badge_awarded, ours.award_requests_dlq} <= there.topics()
    finally:
        for folder in folders:
            take_down(folder)


def test_the_banner_names_every_service_and_the_tenant(folder: StackFolder) -> None:
    command = (sys.executable, "-m", "badgectl", "up", "--detach", "--gateways", "2", "--workers", "2")
    done = subprocess.run(command, cwd=folder.path.parent, capture_output=True, text=True, check=True)
    plan, stack = load_plan(folder.plan), json.loads(folder.stack.read_text())
    assert plan is not None
    assert len(plan.api_urls) == len(plan.worker_urls) == 2
    banner = done.stdout.partition("\nAPI ")[2].partition("\nAward a badge:")[0]
    assert all(url in banner for url in plan.api_urls + plan.worker_urls)
    assert ["live", "tenant", stack["tenant"]["id"]] in [line.split() for line in banner.splitlines()]

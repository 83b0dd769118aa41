"""`badgectl up` as an operator runs it: the real servers and services, in a folder of the test's own."""

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

PATIENCE_S = 60

UP = ("sh", "-c", 'trap "" INT; exec "$0" -m badgectl up --gateways 2', sys.executable)
"""As a shell runs it in the background: with SIGINT ignored."""


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


def test_the_banner_names_every_gateway_and_the_tenant(folder: StackFolder) -> None:
    command = (sys.executable, "-m", "badgectl", "up", "--detach", "--gateways", "2")
    done = subprocess.run(command, cwd=folder.path.parent, capture_output=True, text=True, check=True)
    plan, stack = load_plan(folder.plan), json.loads(folder.stack.read_text())
    assert plan is not None
    assert len(plan.api_urls) == 2
    banner = done.stdout.partition("\nAPI ")[2].partition("\nAward a badge:")[0]
    assert all(url in banner for url in plan.api_urls)
    assert ["live", "tenant", stack["tenant"]["id"]] in [line.split() for line in banner.splitlines()]

"""The whole stack, with stand-ins for the gateway and the worker."""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from rich.console import Console

from api.settings import ApiSettings
from award_worker.settings import WorkerSettings
from devstack.errors import StackError
from devstack.layout import StackFolder
from devstack.plan import Wishes, choose_ports
from devstack.running import running
from devstack.stack import RunningStack, bring_up, take_down
from devstack.stack_status import stack_status
from devstack.supervisor_conf import ServiceCommands
from servers import TestServers

STAND_IN = str(Path(__file__).with_name("stand_in_service.py"))
STAND_INS = ServiceCommands(api=(sys.executable, STAND_IN, "API"), worker=(sys.executable, STAND_IN, "WORKER"))
BROKEN = ServiceCommands(api=(sys.executable, "-c", "raise SystemExit('no such luck')"), worker=STAND_INS.worker)
QUIET = Console(quiet=True)
PATIENCE_S = 20

started: list[RunningStack] = []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackFolder]:
    """A folder whose stack is taken down in the end; below a name that is hard to quote."""
    home = tmp_path_factory.mktemp("it's 100% #1 ;") / "here"
    home.mkdir(mode=0o700)
    folder = StackFolder.below(home)
    yield folder
    take_down(folder)
    for stack in started:
        stack.supervisor.wait()


@pytest.fixture
def stack(folder: StackFolder) -> dict[str, Any]:
    """What stack.json says of a stack that is up and ready."""
    if not folder.stack.exists():
        up(folder)
    return written(folder)


def up(folder: StackFolder) -> None:
    started.append(bring_up(folder, Wishes(gateways=2), QUIET, services=STAND_INS))


def written(folder: StackFolder) -> dict[str, Any]:
    found = json.loads(folder.stack.read_text())
    assert isinstance(found, dict)
    return found


def pid_of(stack: dict[str, Any], name: str) -> int:
    found = stack["pids"][name]
    return int(found[0] if isinstance(found, list) else found)


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_services_have_the_time_to_drain(stack: dict[str, Any], folder: StackFolder) -> None:
    conf = ConfigParser(interpolation=None)
    conf.read(folder.supervisor_conf)
    for kind, drain_seconds in (
        ("api", ApiSettings.model_fields["drain_seconds"].default),
        ("award_worker", WorkerSettings.model_fields["drain_seconds"].default),
    ):
        services = [conf[name] for name in conf.sections() if name.startswith(f"program:{kind}-")]
        assert len(services) == len(stack["pids"][kind])
        assert all(service.getint("stopwaitsecs") >= drain_seconds + 10 for service in services)


def test_stack_json_has_the_shape_that_others_rely_on(stack: dict[str, Any], folder: StackFolder) -> None:
    assert set(stack) == {
        "api_url",
        "worker_url",
        "kafka_bootstrap",
        "postgres_dsn",
        "topics",
        "tenant",
        "pids",
    }
    assert set(stack["tenant"]) == {"id", "live_key", "live_admin_key", "test_id", "test_key", "test_admin_key"}
    assert set(stack["topics"]) == {"award_requests", "badge_awarded", "award_requests_dlq"}
    assert [len(stack["pids"][kind]) for kind in ("api", "award_worker")] == [2, 1]
    assert folder.stack.stat().st_mode & 0o777 == 0o600


def test_every_pid_is_of_a_process_that_runs(stack: dict[str, Any]) -> None:
    pids = stack["pids"]
    everyone = [*pids["api"], *pids["award_worker"], pids["kafka"], pids["postgres"], pids["supervisor"]]
    assert all(psutil.pid_exists(pid) for pid in everyone)


async def test_the_status_is_ready(stack: dict[str, Any], folder: StackFolder) -> None:
    found = {program.name: program for program in await stack_status(folder)}
    assert set(found) == {"postgres", "kafka", "award_worker-1", "api-1", "api-2"}
    assert all(program.is_ready for program in found.values())
    assert found["api-1"].address == stack["api_url"]


async def test_the_status_says_which_checks_fail(stack: dict[str, Any], folder: StackFolder) -> None:
    told = folder.path.parent / "unready.json"
    told.write_text('{"status": "not ready", "checks": {"kafka": "failing", "postgres": "ok", "relay": "failing"}}')
    try:
        found = {program.name: program for program in await stack_status(folder)}
    finally:
        told.unlink()
    assert {name: list(program.failing) for name, program in found.items() if not program.is_ready} == {
        "award_worker-1": ["kafka", "relay"],
        "api-1": ["kafka", "relay"],
        "api-2": ["kafka", "relay"],
    }
    assert stack["api_url"] == found["api-1"].address


@pytest.mark.parametrize("name", ["api", "award_worker", "kafka", "postgres"])
def test_a_killed_process_is_back_on_its_port_under_its_new_pid(
    name: str, stack: dict[str, Any], folder: StackFolder
) -> None:
    killed = pid_of(stack, name)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: pid_of(written(folder), name) != killed)
    eventually(lambda: psutil.pid_exists(pid_of(written(folder), name)))
    now = written(folder)
    assert {**now, "pids": None} == {**stack, "pids": None}
    eventually(lambda: answers(now["api_url"]) and answers(now["worker_url"]))
    time.sleep(1)  # supervisord takes a process that ends within its first second for a failed start


def test_a_second_stack_in_the_same_folder_is_refused(stack: dict[str, Any], folder: StackFolder) -> None:
    supervisor = stack["pids"]["supervisor"]
    with pytest.raises(StackError, match=rf"already up here \(pid {supervisor}\): badgectl status, badgectl down"):
        up(folder)
    assert answers(stack["api_url"])


def test_two_at_once_do_not_start_twice(folder: StackFolder) -> None:
    with folder.locked(), pytest.raises(StackError, match="another badgectl is starting or stopping"):
        up(folder)


def kill_supervisor(stack: dict[str, Any]) -> None:
    """Return once it is gone: on a busy machine that takes a moment."""
    supervisor = psutil.Process(stack["pids"]["supervisor"])
    supervisor.kill()
    psutil.wait_procs([supervisor], timeout=PATIENCE_S)


def test_what_a_killed_supervisor_left_is_cleaned_up_by_the_next_up(stack: dict[str, Any], folder: StackFolder) -> None:
    kill_supervisor(stack)
    orphans = [pid_of(stack, name) for name in ("api", "award_worker", "kafka", "postgres")]
    up(folder)
    assert not any(psutil.pid_exists(pid) for pid in orphans)
    assert written(folder)["tenant"] == stack["tenant"]  # another stack may have taken the port meanwhile


def test_what_a_killed_supervisor_left_is_cleaned_up_by_down(stack: dict[str, Any], folder: StackFolder) -> None:
    kill_supervisor(stack)
    assert take_down(folder).left_over >= 4
    assert running(folder) == []


def test_down_leaves_nothing_but_the_data(stack: dict[str, Any], folder: StackFolder) -> None:
    assert take_down(folder).supervisor == stack["pids"]["supervisor"]
    assert running(folder) == []
    assert not folder.stack.exists()
    up(folder)
    now = written(folder)
    assert (now["tenant"], now["postgres_dsn"]) == (stack["tenant"], stack["postgres_dsn"])


async def test_while_services_drain_the_status_says_stopping(tmp_path: Path) -> None:
    folder = StackFolder.below(tmp_path)
    slow = ServiceCommands(api=(*STAND_INS.api, "4"), worker=STAND_INS.worker)
    up = await asyncio.to_thread(bring_up, folder, Wishes(), QUIET, services=slow)
    stopping = asyncio.create_task(asyncio.to_thread(take_down, folder))
    async with asyncio.timeout(PATIENCE_S):
        while {program.name: program.state for program in await stack_status(folder)} != {
            "postgres": "stopping",
            "kafka": "stopping",
            "award_worker-1": "stopping",
            "api-1": "stopping",
        }:
            assert not stopping.done()
            await asyncio.sleep(0.05)
    await stopping
    up.supervisor.wait()
    assert await stack_status(folder) == []


async def test_where_nothing_is_up_there_is_no_status(tmp_path: Path) -> None:
    assert await stack_status(StackFolder.below(tmp_path)) == []


def test_where_nothing_is_up_down_has_nothing_to_do(tmp_path: Path) -> None:
    done = take_down(StackFolder.below(tmp_path))
    assert (done.supervisor, done.left_over) == (None, 0)


class Ready(BaseHTTPRequestHandler):
    """Always."""

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def foreign(servers: TestServers) -> Iterator[dict[str, Any]]:
    """The ports of servers that are not of the stack, by what a plan calls them."""
    postgres, kafka = servers.ports_here()
    with HTTPServer(("127.0.0.1", 0), Ready) as gateway:
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        yield {"postgres": postgres, "kafka": kafka, "api": (gateway.server_port,)}
        gateway.shutdown()


@pytest.mark.parametrize(
    ("kind", "said"),
    [("postgres", "answered by another Postgres"), ("kafka", "answered by another Kafka"), ("api", "api-1 does not")],
)
def test_server_that_took_a_port_since_it_was_chosen_is_not_taken_for_ones_own(
    kind: str, said: str, foreign: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "devstack.stack.choose_ports", lambda *asked: replace(choose_ports(*asked), **{kind: foreign[kind]})
    )
    folder = StackFolder.below(tmp_path)
    with pytest.raises(StackError, match=said):
        bring_up(folder, Wishes(), QUIET, services=STAND_INS)
    assert running(folder) == []


def test_a_service_that_does_not_stay_up_is_told_with_its_log_and_nothing_is_left(tmp_path: Path) -> None:
    folder = StackFolder.below(tmp_path)
    with pytest.raises(StackError, match=r"api-1 does not stay up[\s\S]*no such luck"):
        bring_up(folder, Wishes(), QUIET, services=BROKEN)
    assert running(folder) == []

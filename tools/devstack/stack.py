"""Brings the whole stack up, and takes it down."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM

import psutil
from rich.console import Console

from devstack import kafka_jars
from devstack.errors import StackError
from devstack.files import write_private
from devstack.kafka import KafkaServer
from devstack.layout import MARK, StackFolder
from devstack.plan import Plan, Wishes, choose_ports, load_plan, moved_ports
from devstack.ports import claiming
from devstack.postgres import PostgresServer
from devstack.running import running, stop, supervisor_of
from devstack.seed import DemoTenant
from devstack.stack_file import remove_stack_file, write_stack_file
from devstack.startup import Startup
from devstack.supervisor_conf import (
    DATABASE,
    SERVER_STOP_S,
    SERVICE_STOP_S,
    ServiceCommands,
    programs,
    supervisor_conf,
)
from devstack.supervisor_control import SupervisorControl
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

_ORDERLY_S = 2 * SERVICE_STOP_S + SERVER_STOP_S + 5
_PATIENCE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """What `bring_up` started, ready."""

    folder: StackFolder
    plan: Plan
    tenant: DemoTenant
    supervisor: subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenDown:
    """What `take_down` found."""

    supervisor: int | None
    """The process id of the supervisord that stopped its processes in order."""

    left_over: int
    """Processes that no supervisord looked after."""


def bring_up(
    folder: StackFolder,
    wishes: Wishes,
    console: Console,
    *,
    is_reset: bool = False,
    services: ServiceCommands | None = None,
) -> RunningStack:
    """Start everything below the folder and return when every process is ready.

    Leaves nothing running when it fails or is interrupted.

    Raises:
        StackError: a stack is up here already, or this one does not get ready; says why.
    """
    with folder.locked():
        supervisor = supervisor_of(folder)
        if supervisor is not None:
            msg = f"another stack is already up here (pid {supervisor.pid}): badgectl status, badgectl down"
            raise StackError(msg)
        # What a killed supervisord left behind.
        stop(running(folder), patience_s=_PATIENCE_S)
        if is_reset:
            folder.clear()
        folder.create()
        remove_stack_file(folder)
        return _start(folder, wishes, console, services or ServiceCommands())


def take_down(folder: StackFolder) -> TakenDown:
    """Stop the stack's processes, also those that a killed supervisord left; nothing when there are none."""
    supervisor = supervisor_of(folder)
    if supervisor is not None:
        supervisor.terminate()
        psutil.wait_procs([supervisor], timeout=_ORDERLY_S)
    left_over = running(folder)
    stop(left_over, patience_s=_PATIENCE_S)
    if folder.path.exists():
        remove_stack_file(folder)
    return TakenDown(supervisor=supervisor.pid if supervisor else None, left_over=len(left_over))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore signals meanwhile: a second Ctrl-C would leave running what the first has not stopped yet."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (SIGINT, SIGTERM, SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(folder: StackFolder, wishes: Wishes, console: Console, services: ServiceCommands) -> RunningStack:
    jars = kafka_jars.install(console)
    remembered = load_plan(folder.plan)
    # Until every process listens: another stack that starts meanwhile chooses other ports.
    with claiming(kafka_jars.cache_folder() / "ports.lock") as claim:
        plan = choose_ports(wishes, remembered, claim)
        for line in moved_ports(wishes, remembered, plan):
            console.print(f"  {line}", highlight=False, soft_wrap=True)
        with console.status("Starting"):
            return _start_on(plan, folder, console, services, jars)


def _start_on(plan: Plan, folder: StackFolder, console: Console, services: ServiceCommands, jars: Path) -> RunningStack:
    began = time.monotonic()
    servers = _prepare_servers(folder, plan, jars)
    run = programs(plan, services, servers)
    plan.save(folder.plan)
    write_private(folder.supervisor_conf, supervisor_conf(plan, run))
    supervisor = _start_supervisor(folder)
    try:
        postgres, kafka = servers
        startup = Startup(
            folder=folder,
            plan=plan,
            postgres=postgres,
            kafka=kafka,
            programs=run,
            supervisor=supervisor,
            console=console,
            began=began,
        )
        tenant = asyncio.run(startup.until_ready())
        with SupervisorControl(plan) as control:
            write_stack_file(folder, control, _facts(plan, postgres, tenant))
    except BaseException:
        with uninterrupted():
            take_down(folder)
            supervisor.wait()
        raise
    return RunningStack(folder=folder, plan=plan, tenant=tenant, supervisor=supervisor)


def _prepare_servers(folder: StackFolder, plan: Plan, jars: Path) -> tuple[PostgresServer, KafkaServer]:
    postgres = PostgresServer(folder=folder.postgres, port=plan.postgres)
    kafka = KafkaServer(folder=folder.kafka, jars=jars, port=plan.kafka, controller_port=plan.controller)
    with ThreadPoolExecutor() as pool:
        for prepared in [pool.submit(postgres.prepare), pool.submit(kafka.prepare)]:
            prepared.result()
    return postgres, kafka


def _start_supervisor(folder: StackFolder) -> subprocess.Popen[bytes]:
    with (folder.logs / "supervisord.out").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "devstack.supervise", str(folder.supervisor_conf)],
            cwd=folder.path.parent,
            env={**os.environ, MARK: str(folder.path)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C and the end of the terminal reach badgectl alone, which stops the rest in order.
            start_new_session=True,
        )


def _facts(plan: Plan, postgres: PostgresServer, tenant: DemoTenant) -> dict[str, object]:
    """Return what stack.json says beside process ids."""
    topics = topics_of(KafkaSettings(bootstrap=plan.kafka_bootstrap))
    return {
        "api_url": plan.api_url,
        "worker_url": plan.worker_url,
        "kafka_bootstrap": plan.kafka_bootstrap,
        "postgres_dsn": postgres.dsn(DATABASE),
        "topics": {
            "award_requests": topics.award_requests,
            "badge_awarded": topics.badge_awarded,
            "award_requests_dlq": topics.award_requests_dlq,
        },
        "tenant": asdict(tenant),
    }

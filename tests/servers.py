"""Servers for the tests, and one Postgres and one Kafka as plain children of the test run, on free ports."""

import asyncio
import os
import subprocess
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Literal
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from rich.console import Console

from devstack import kafka, kafka_jars, postgres
from devstack.kafka import KafkaServer
from devstack.ports import LOOPBACK
from devstack.postgres import PostgresServer
from ports import free_port

Stack = Literal["embedded", "containers", "given"]

_DEADLINE_S = 60
_STOP_S = 20
_ORPHANS_S = 5
_RETRY_S = 0.01
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0"}
"""Settings of a Postgres that nobody cuts the power of."""


class PostgresProcess:
    """A Postgres that can be killed and started again on the same port and data."""

    def __init__(self, folder: Path, *, port: int | None = None, overrides: Mapping[str, str] | None = None) -> None:
        """Choose a free port unless one is given; nothing runs before `start`."""
        port = port or free_port()
        self.server = PostgresServer(folder=folder, port=port, overrides=overrides or {})
        self._child = _Child("Postgres", stop_signal=SIGINT)

    @property
    def database_url(self) -> str:
        """The superuser's connection string to the database postgres."""
        return self.server.dsn()

    def start(self) -> None:
        """Create the data folder unless there is one; return when the server answers."""
        self.server.prepare()
        self._child.start(self.server.command(), folder=self.server.folder, environment={})
        self._child.wait(postgres.wait_until_answers(self.server, deadline_s=_DEADLINE_S, is_running=self._child.runs))

    def hanging(self) -> AbstractContextManager[None]:
        """Stop the server meanwhile, with all its processes, as a machine that hangs."""
        return self._child.hanging()

    def kill(self) -> None:
        """SIGKILL the server."""
        self._child.kill()

    def stop(self) -> None:
        """Stop the server in an orderly way; nothing when it does not run."""
        self._child.stop()


class KafkaProcess:
    """A broker that can be killed and started again on the same port and data, with other properties if wanted."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        overrides: Mapping[str, str] | None = None,
        lock: Path = kafka_jars.LOCK,
    ) -> None:
        """Choose free ports, fetch the jars of the lock if they are not there; nothing runs before `start`."""
        jars = kafka_jars.install(Console(stderr=True), lock=lock)
        port = port or free_port()
        controller_port = free_port()
        self.server = KafkaServer(
            folder=folder, jars=jars, port=port, controller_port=controller_port, overrides=overrides or {}
        )
        self._child = _Child("Kafka", stop_signal=SIGTERM)

    @property
    def bootstrap(self) -> str:
        """Where clients connect first."""
        return self.server.bootstrap

    def start(self, overrides: Mapping[str, str] | None = None) -> None:
        """Return when the broker answers; `overrides` replace those of before, None keeps them."""
        if overrides is not None:
            self.server = replace(self.server, overrides=overrides)
        self.server.prepare()
        self._child.start(self.server.command(), folder=self.server.folder, environment=self.server.environment())
        self._child.wait(kafka.wait_until_answers(self.bootstrap, deadline_s=_DEADLINE_S, is_running=self._child.runs))

    def hanging(self) -> AbstractContextManager[None]:
        """Stop the broker meanwhile, as a machine that hangs."""
        return self._child.hanging()

    def kill(self) -> None:
        """SIGKILL the broker."""
        self._child.kill()

    def stop(self) -> None:
        """Stop the broker in an orderly way; nothing when it does not run."""
        self._child.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestServers:
    """One Postgres and one Kafka, running, and what the names of the tests on them begin with."""

    __test__ = False

    stack: Stack
    database_url: str
    """A superuser's connection string; the tests make databases of their own beside that one."""

    kafka_bootstrap: str
    """Where clients connect first."""

    names: str
    """Before every database and topic of this run: others may use the servers at the same time."""

    def sibling(self, name: str) -> str:
        """Return the superuser's connection string to the database of that name."""
        return urlsplit(self.database_url)._replace(path=f"/{name}").geturl()

    async def execute(self, *statements: str) -> None:
        """Run them as the superuser, beside the tests' databases."""
        bare = await asyncpg.connect(self.database_url)
        try:
            for statement in statements:
                await bare.execute(statement)
        finally:
            await bare.close()

    def ports_here(self) -> tuple[int, int]:
        """Return the ports of Postgres and Kafka on this machine; the test is skipped where they are on another."""
        host, _, port = self.kafka_bootstrap.rpartition(":")
        postgres = urlsplit(self.database_url)
        if {host, postgres.hostname} - {LOOPBACK, "localhost"}:
            pytest.skip(f"needs test servers on this machine, not {postgres.hostname} and {host}")
        return postgres.port or 5432, int(port)

    def must_be_ours(self) -> None:
        """Skip the test on servers that somebody else uses too."""
        if self.stack == "given":
            pytest.skip("uses topics without a prefix: not on servers that were given")


@contextmanager
def embedded_servers(folder: Path) -> Iterator[tuple[str, str]]:
    """Run one Postgres (which forgets what a power cut would take) and one Kafka below the folder.

    Lends the superuser's connection string and where Kafka's clients connect first.
    """
    postgres = PostgresProcess(folder / "postgres", overrides=NOT_DURABLE)
    kafka = KafkaProcess(folder / "kafka")
    both: tuple[PostgresProcess | KafkaProcess, ...] = (postgres, kafka)
    try:
        with ThreadPoolExecutor() as pool:
            started = [pool.submit(one.start) for one in both]
        for start in started:
            start.result()
        yield postgres.database_url, kafka.bootstrap
    finally:
        for one in both:
            one.stop()


class _Child:
    """A child process whose output goes to server.log in its folder."""

    def __init__(self, name: str, *, stop_signal: Signals) -> None:
        self._name = name
        self._stop_signal = stop_signal
        self._running: subprocess.Popen[bytes] | None = None
        self._log = Path()

    def start(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        if self.runs():
            msg = f"{self._name} runs already"
            raise RuntimeError(msg)
        self._log = folder / "server.log"
        with self._log.open("ab") as log:
            # In a session of its own, so that Ctrl-C reaches the tests alone, which stop it in order.
            self._running = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def runs(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def wait(self, answer: Coroutine[None, None, None]) -> None:
        try:
            asyncio.run(answer)
        except Exception as error:
            error.add_note(self._log.read_text(encoding="utf-8", errors="replace")[-4000:])
            self.stop()
            raise

    @contextmanager
    def hanging(self) -> Iterator[None]:
        assert self._running is not None
        first = psutil.Process(self._running.pid)
        stopped = [first, *first.children(recursive=True)]
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                process.resume()

    def kill(self) -> None:
        """Return when nothing of it runs: while one of its processes does, Postgres refuses to start again."""
        if self._running is None or self._running.poll() is not None:
            return
        others = psutil.Process(self._running.pid).children(recursive=True)
        self._running.kill()
        self._running.wait()
        until = time.monotonic() + _ORPHANS_S
        while orphans := [process for process in others if _is_alive(process)]:
            if time.monotonic() > until:
                for process in orphans:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
            time.sleep(_RETRY_S)

    def stop(self) -> None:
        if self._running is None:
            return
        self._running.send_signal(self._stop_signal)
        try:
            self._running.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

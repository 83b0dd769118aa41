"""Gateways and workers as processes of their own, to be used, killed, stopped and continued."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from messaging.settings import KafkaSettings
from ports import free_port
from preloaded import ForkedProcess, Program
from secrets_in_logs import assert_no_secrets

READY_SECONDS = 30
STOP_SECONDS = 40
FAULTY_WORKER = Path(__file__).parent / "chaos" / "faulty_worker.py"


@dataclass(slots=True, kw_only=True)
class Service:
    """One gateway or worker: what `python WORDS` runs; `url` is where it answers.

    It is forked from a process that has loaded our modules, unless `loads_itself`, by `python` then.
    """

    words: Sequence[str]
    environment: Mapping[str, str]
    url: str
    log: Path
    loads_itself: bool = False
    python: str = sys.executable
    process: ForkedProcess | subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, again if it has ended."""
        if self.loads_itself:
            with self.log.open("ab") as log:
                command = [self.python, *self.words]
                self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        else:
            program = Program(words=self.words, environment=self.environment, stdout=self.log, stderr=self.log)
            self.process = ForkedProcess(program)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Return its exit code once it has ended."""
        assert self.process is not None
        return self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """End it in an orderly way; nothing when it has ended."""
        if self.process is None or self.process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    async def ready(self) -> "Service":
        """Return when it says that it is ready."""
        async with httpx.AsyncClient() as client, asyncio.timeout(READY_SECONDS):
            while True:
                assert self.process is not None
                if self.process.poll() is not None:
                    raise AssertionError(f"ended with {self.process.returncode}:\n{self.tail()}")
                with suppress(httpx.TransportError):
                    answer = await client.get(f"{self.url}/readyz")
                    if answer.status_code == httpx.codes.OK:
                        return self
                await asyncio.sleep(0.05)

    async def says(self, text: str) -> None:
        """Return once its log has said this."""
        async with asyncio.timeout(READY_SECONDS):
            while text not in self.log.read_text(errors="replace"):
                await asyncio.sleep(0.05)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4000:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One database and one set of topics, and the services that were started on them.

    The services load themselves, as in production, where `load_themselves`: the time that it takes counts.
    `python` and `environment` are then those of another release.
    """

    database_url: str
    kafka: KafkaSettings
    folder: Path
    load_themselves: bool = False
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)

    @property
    def secrets(self) -> Sequence[str]:
        """The passwords that its services are given."""
        of_kafka = (value for _, value in self.kafka if isinstance(value, SecretStr))
        password = urlsplit(self.database_url).password
        return [*([password] if password else []), *(secret.get_secret_value() for secret in of_kafka)]

    def gateway(self, **settings: str) -> Service:
        """Start a gateway."""
        return self._start("api", ("-m", "api"), "BADGES_API", settings)

    def worker(self, **settings: str) -> Service:
        """Start a worker."""
        return self._start("worker", ("-m", "award_worker"), "BADGES_WORKER", settings)

    def faulty_worker(self, fault: str) -> Service:
        """Start a worker that kills itself at a point named in `chaos/faulty_worker.py`."""
        return self._start("faulty", (str(FAULTY_WORKER), fault), "BADGES_WORKER", {})

    def _start(self, name: str, words: Sequence[str], prefix: str, settings: Mapping[str, str]) -> Service:
        port = free_port()
        environment = {
            **os.environ,
            **self.environment,
            "BADGES_DATABASE_URL": self.database_url,
            **kafka_environment(self.kafka),
            f"{prefix}_PORT": str(port),
            **{f"{prefix}_{key.upper()}": value for key, value in settings.items()},
        }
        log = self.folder / f"{name}-{len(self.services)}.log"
        service = Service(
            words=words,
            environment=environment,
            url=f"http://127.0.0.1:{port}",
            log=log,
            loads_itself=self.load_themselves,
            python=self.python,
        )
        service.start()
        self.services.append(service)
        return service


def kafka_environment(kafka: KafkaSettings) -> Mapping[str, str]:
    """Return the variables that say what these settings say."""
    given = kafka.model_dump(exclude_unset=True)
    plain = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()}
    return {f"BADGES_KAFKA_{name.upper()}": str(value) for name, value in plain.items()}


@asynccontextmanager
async def installation(
    database_url: str, kafka: KafkaSettings, folder: Path, *, load_themselves: bool = False
) -> AsyncIterator[Installation]:
    """Lend an installation, and stop in the end whatever was started on it."""
    place = Installation(database_url=database_url, kafka=kafka, folder=folder, load_themselves=load_themselves)
    try:
        yield place
    finally:
        for service in place.services:
            service.stop()
            print(f"--- {service.log.name}\n{service.tail()}")  # noqa: T201 - pytest shows it of a test that failed
        for service in place.services:
            assert_no_secrets(service.log, place.secrets)

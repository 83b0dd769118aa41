"""Processes of the bench: started with a log, waited for, counted, ended."""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals

import httpx
import psutil

from bench.errors import BenchError
from devstack.files import tail

PROJECT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60
STOP_SECONDS = 45
_SHOWN_LINES = 25
_OUR_SETTINGS = ("BADGES_", "PEER_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How to start a process. `url` is where its `/readyz` answers, if it has one."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path = PROJECT
    url: str | None = None
    stop_signal: Signals = SIGTERM


class Running:
    """A process that has been started."""

    def __init__(self, command: Command, logs: Path) -> None:
        """Start it. Its output goes to a log with its name; settings of whoever runs the bench do not reach it."""
        self._command = command
        self._log = logs / f"{command.name}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OUR_SETTINGS)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command.words,
                cwd=command.folder,
                env={**inherited, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the bench alone, which ends the rest in order
            )
        self._counted = psutil.Process(self._process.pid)

    @property
    def url(self) -> str:
        """Where it answers."""
        if self._command.url is None:
            raise BenchError(f"{self._command.name} does not speak HTTP")
        return self._command.url

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        """Processor time of it and its children, those that have ended too."""
        total = sum(self._counted.cpu_times()[:4])
        for child in self._counted.children():
            with suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:2])
        return total

    def rss_bytes(self) -> int:
        """Memory that it holds itself."""
        return self._counted.memory_info().rss

    async def ready(self) -> None:
        """Return when it says that it is ready.

        Raises:
            BenchError: not within a minute, or it has ended.
        """
        async with httpx.AsyncClient(trust_env=False) as client:

            async def is_ready() -> bool:
                with suppress(httpx.TransportError):
                    return (await client.get(f"{self.url}/readyz")).status_code == httpx.codes.OK
                return False

            await self.until(is_ready, "ready")

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Return when `holds()` is true.

        Raises:
            BenchError: not within a minute, or the process has ended.
        """
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while not await holds():
            if not self.runs or asyncio.get_running_loop().time() > deadline:
                raise BenchError(f"{self._command.name} is not {what}:\n{tail(self._log, _SHOWN_LINES)}")
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """End it in an orderly way; kill it if it does not end."""
        if not self.runs:
            return
        self._process.send_signal(self._command.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

"""Python programs started from a process that has loaded our modules already, and forks.

Loading takes most of a second of processor for each service, half of one for each `badgectl`, hundreds of times a run.
What is forked is otherwise a process like any other: its own environment, output and signals.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import TimeoutExpired

from badgectl.command_group import COMMANDS

MODULES = [
    "api.app",
    "award_worker.app",
    "faststream.kafka",
    *(f"badgectl.{of.split(':')[0]}" for of in COMMANDS.values()),
]

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(MODULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What `python WORDS` would run, `-m module` or a file, and where it reads and writes."""

    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path = Path()
    stdin: Path = Path(os.devnull)
    stdout: Path
    stderr: Path


class ForkedProcess:
    """A running program; behaves as a `subprocess.Popen`."""

    def __init__(self, program: Program) -> None:
        """Start it; from now on there is what it writes to."""
        for written in (program.stdout, program.stderr):
            written.touch()
        self._process: ForkServerProcess = _forks.Process(target=_run, args=(program,), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """As `poll`."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; TimeoutExpired when it does not in that many seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired("forked", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing when it has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _run(program: Program) -> None:
    os.environ.clear()
    os.environ.update(program.environment)
    os.chdir(program.folder)
    for number, path, flags in (
        (0, program.stdin, os.O_RDONLY),
        (1, program.stdout, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
        (2, program.stderr, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - multiprocessing has put another there
    if program.words[0] == "-m":
        sys.argv = list(program.words[1:])
        runpy.run_module(program.words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(program.words)
        runpy.run_path(program.words[0], run_name="__main__")

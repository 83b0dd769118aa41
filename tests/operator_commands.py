"""`badgectl` as an operator runs it, on an installation of the tests."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preloaded import ForkedProcess, Program
from processes import Installation, kafka_environment

SECONDS = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What it printed with `--json`."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def run_badgectl(
    *arguments: str, typed: str = "", environment: Mapping[str, str] | None = None, folder: Path = Path()
) -> Ended:
    """Run the command to its end; `environment` comes on top of the test's, `typed` is what the operator answers."""
    with tempfile.TemporaryDirectory() as place:
        stdin, stdout, stderr = (Path(place, name) for name in ("stdin", "stdout", "stderr"))
        stdin.write_text(typed, encoding="utf-8")
        program = Program(
            words=("-m", "badgectl", *arguments),
            environment={**os.environ, **(environment or {})},
            folder=folder,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        process = ForkedProcess(program)
        try:
            code = process.wait(SECONDS)
        finally:
            process.kill()
        return Ended(code, stdout.read_text(encoding="utf-8"), stderr.read_text(encoding="utf-8"))


def settings_of(place: Installation) -> Mapping[str, str]:
    """The environment that leads a command to the installation."""
    return {"BADGES_DATABASE_URL": place.database_url, **kafka_environment(place.kafka)}


async def badgectl(
    place: Installation, *arguments: str, typed: str = "", environment: Mapping[str, str] | None = None
) -> Ended:
    """Run the command to its end; `environment` comes on top of the installation's."""
    settings = {**settings_of(place), **(environment or {})}
    return await asyncio.to_thread(run_badgectl, *arguments, typed=typed, environment=settings)


async def begin(
    place: Installation, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any
) -> asyncio.subprocess.Process:
    """Start the command, to be watched; `environment` comes on top of the installation's."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "badgectl", *arguments),
        stdout=pipe,
        stderr=pipe,
        env={**os.environ, **settings_of(place), **(environment or {})},
        **options,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait until it has ended."""
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())

"""`badgectl` as an operator runs it, on an installation of the tests."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processes import Installation


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


async def begin(
    place: Installation, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any
) -> asyncio.subprocess.Process:
    """Start the command; `environment` comes on top of the installation's."""
    settings = {
        "BADGES_DATABASE_URL": place.database_url,
        "BADGES_KAFKA_BOOTSTRAP": place.kafka.bootstrap,
        "BADGES_KAFKA_PREFIX": place.kafka.prefix,
    }
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "badgectl", *arguments),
        stdout=pipe,
        stderr=pipe,
        env={**os.environ, **settings, **(environment or {})},
        **options,
    )


async def ended(process: asyncio.subprocess.Process, *, typed: str | None = None) -> Ended:
    """Wait until it has ended; `typed` is what the operator answers."""
    out, err = await process.communicate(None if typed is None else typed.encode())
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def badgectl(
    place: Installation, *arguments: str, typed: str | None = None, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run the command to its end."""
    stdin = asyncio.subprocess.DEVNULL if typed is None else asyncio.subprocess.PIPE
    return await ended(await begin(place, *arguments, environment=environment, stdin=stdin), typed=typed)

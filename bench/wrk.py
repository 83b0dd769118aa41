"""Load over HTTP, by wrk."""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from debian import debian_program

PACKAGES = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")
SPARE_SECONDS = 30
WARM_UP_SECONDS = 2
_SCRIPT = Path(__file__).with_name("load.lua")
_MARK = "RESULT "


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked for (`award` or `list`), and of whom: `names` with a number for `%d`, `count` of them in turn."""

    kind: str
    names: str
    count: int = 2**52


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of it; times in milliseconds."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrk:
    """The program."""

    program: str
    environment: Mapping[str, str]

    async def warm_up(self, url: str, key: str, load: Load, *, connections: int) -> None:
        """Have every connection of the service opened, and everything read that is read once."""
        await self.run(url, key, load, connections=connections, seconds=WARM_UP_SECONDS)

    async def run(self, url: str, key: str, load: Load, *, connections: int, seconds: int) -> Answered:
        """Send as much as is answered in so many seconds.

        Raises:
            BenchError: some calls failed: then the figures say nothing.
        """
        words = [self.program, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=10s", "-s", str(_SCRIPT)]
        headers = ["-H", f"X-API-Key: {key}", "-H", "Content-Type: application/json"]
        what = [url, "--", load.kind, load.names, str(load.count)]
        process = await asyncio.create_subprocess_exec(
            *words, *headers, *what, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(seconds + SPARE_SECONDS):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        return _answered(output.decode(errors="replace"))


def find_wrk() -> Wrk:
    """Return wrk: the one that is installed, else Debian's.

    Raises:
        BenchError: there is none, and none can be fetched.
    """
    try:
        program, environment = debian_program("wrk", PACKAGES)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"wrk is missing, and Debian's cannot be fetched ({error}): install wrk") from error
    return Wrk(program=program, environment=environment)


def _answered(output: str) -> Answered:
    results = [line.removeprefix(_MARK) for line in output.splitlines() if line.startswith(_MARK)]
    if not results:
        raise BenchError(f"wrk did not finish:\n{output}")
    result = json.loads(results[0])
    if result["failed"] or not result["requests"]:
        raise BenchError(f"calls failed, so the figures say nothing:\n{output}")
    return Answered(
        requests=result["requests"],
        per_second=result["requests"] * 1e6 / result["microseconds"],
        p50_ms=result["p50"] / 1000,
        p99_ms=result["p99"] / 1000,
    )

"""On what it was measured: the class of the machine, and versions."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import asyncpg
import psutil

from bench.servers import Servers
from devstack.kafka_jars import KAFKA_VERSION

_PACKAGES = (
    "aiokafka",
    "asyncpg",
    "fastapi",
    "faststream",
    "httptools",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
    "uvloop",
)
_GIBIBYTE = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Cores, memory in GiB, and what runs on it."""

    cores: int
    memory_gib: int
    system: str
    versions: Mapping[str, str]


async def this_machine(servers: Servers) -> Machine:
    """Look at it; packages that are not installed are left out."""
    connection = await asyncpg.connect(servers.postgres_server.dsn())
    try:
        postgres = str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()
    return Machine(
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / _GIBIBYTE),
        system=f"{platform.system()} {platform.machine()}",
        versions={
            "python": platform.python_version(),
            "kafka": KAFKA_VERSION,
            "postgres": postgres.split(maxsplit=1)[0],
            **_packages(),
        },
    )


def _packages() -> Mapping[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

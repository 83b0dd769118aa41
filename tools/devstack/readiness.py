"""Whether the processes of a stack can be used."""

import asyncio
from collections.abc import Mapping, Sequence

import httpx
import psutil

from devstack.plan import API, KAFKA, POSTGRES, WORKER, Plan
from devstack.ports import LOOPBACK
from devstack.readyz import failing_checks

_TIMEOUT_S = 5
_SILENT = ("no answer",)


def addresses(plan: Plan) -> dict[str, str]:
    """Return where each program listens, by the program's name: URLs, for servers `host:port`."""
    return {
        POSTGRES: f"{LOOPBACK}:{plan.postgres}",
        KAFKA: plan.kafka_bootstrap,
        **{f"{WORKER}-{number}": f"http://{LOOPBACK}:{port}" for number, port in enumerate(plan.worker, 1)},
        **{f"{API}-{number}": f"http://{LOOPBACK}:{port}" for number, port in enumerate(plan.api, 1)},
    }


async def unready(plan: Plan) -> Mapping[str, Sequence[str]]:
    """Return the programs that are not ready, and which of their checks fail: `/readyz` says so, or nobody answers."""
    found = addresses(plan)
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
        failing = await asyncio.gather(*(_failing(client, address) for address in found.values()))
    return {name: checks for name, checks in zip(found, failing, strict=True) if checks}


def listens(pid: int, address: str) -> bool:
    """Whether the process itself listens on the port of the address. Only processes of one's own can be asked."""
    try:
        sockets = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    ports = {socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN}
    return int(address.rpartition(":")[2]) in ports


async def _failing(client: httpx.AsyncClient, address: str) -> Sequence[str]:
    if address.startswith("http"):
        try:
            return await failing_checks(client, address)
        except httpx.HTTPError:
            return _SILENT
    host, port = address.rsplit(":", 1)
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return _SILENT
    writer.close()
    return ()

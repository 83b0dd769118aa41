"""Whether the processes of a stack can be used."""

import asyncio

import httpx
import psutil

from devstack.plan import API, KAFKA, POSTGRES, WORKER, Plan
from devstack.ports import LOOPBACK

_TIMEOUT_S = 5


def addresses(plan: Plan) -> dict[str, str]:
    """Return where each program listens, by the program's name: URLs, for servers `host:port`."""
    return {
        POSTGRES: f"{LOOPBACK}:{plan.postgres}",
        KAFKA: plan.kafka_bootstrap,
        **{f"{WORKER}-{number}": f"http://{LOOPBACK}:{port}" for number, port in enumerate(plan.worker, 1)},
        **{f"{API}-{number}": f"http://{LOOPBACK}:{port}" for number, port in enumerate(plan.api, 1)},
    }


async def unready(plan: Plan) -> list[str]:
    """Return the names of the programs that are not ready: `/readyz` is not 200, or the port refuses."""
    found = addresses(plan)
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
        ready = await asyncio.gather(*(_is_ready(client, address) for address in found.values()))
    return [name for name, is_ready in zip(found, ready, strict=True) if not is_ready]


def listens(pid: int, address: str) -> bool:
    """Whether the process itself listens on the port of the address. Only processes of one's own can be asked."""
    try:
        sockets = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    ports = {socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN}
    return int(address.rpartition(":")[2]) in ports


async def _is_ready(client: httpx.AsyncClient, address: str) -> bool:
    if address.startswith("http"):
        try:
            return (await client.get(f"{address}/readyz")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
    host, port = address.rsplit(":", 1)
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True

"""A TCP proxy whose connections can be cut, delayed and stalled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

from devstack.ports import LOOPBACK

CHUNK = 64 * 1024


class Mode(Enum):
    """What happens to bytes on their way."""

    PASS = auto()
    DELAY = auto()
    """Every chunk waits a while, in both directions."""
    STALL = auto()
    """Connections stay open, and nothing moves: a network that loses everything."""
    CUT = auto()
    """Connections are broken and new ones refused."""


class Link:
    """A way from one port of ours to a server; it is open from the start."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._mode = Mode.PASS
        self._delay = 0.0
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Begin to carry a connection."""
        connection = asyncio.create_task(self._serve(client, to_client))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """Break every connection, and return when nothing of them is left."""
        self.mend()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Carry it until either side ends it."""
        self._writers.add(to_client)
        to_server: asyncio.StreamWriter | None = None
        try:
            if self._mode is Mode.CUT:
                return
            await self._flows.wait()
            server, to_server = await asyncio.open_connection(LOOPBACK, self._target_port)
            self._writers.add(to_server)
            ways = (self._carry(client, to_server), self._carry(server, to_client))
            _, unfinished = await asyncio.wait(
                {asyncio.create_task(way) for way in ways}, return_when=asyncio.FIRST_COMPLETED
            )
            for way in unfinished:
                way.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        except OSError:
            return
        finally:
            for writer in (to_client, to_server):
                if writer is not None:
                    self._writers.discard(writer)
                    writer.transport.abort() if self._mode is Mode.CUT else writer.close()

    def cut(self) -> None:
        """Break every connection, and refuse new ones until `mend`."""
        self._mode = Mode.CUT
        for writer in self._writers:
            writer.transport.abort()

    def delay(self, seconds: float) -> None:
        """Have every chunk take so long from now on."""
        self._mode, self._delay = Mode.DELAY, seconds

    def stall(self) -> None:
        """Let nothing through; nobody is told."""
        self._mode = Mode.STALL
        self._flows.clear()

    def mend(self) -> None:
        """Let everything pass again; what was stalled goes on."""
        self._mode = Mode.PASS
        self._flows.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._flows.wait()
                if self._mode is Mode.DELAY:
                    await asyncio.sleep(self._delay)
                writer.write(chunk)
                await writer.drain()


@asynccontextmanager
async def proxied(target_port: int) -> AsyncIterator[Link]:
    """Serve a link to the port, which nobody has to listen on yet."""
    link = Link(target_port)
    server = await asyncio.start_server(link.accept, LOOPBACK, 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        await link.close()

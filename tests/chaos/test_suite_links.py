"""The links of `make chaos`: what passes them, and what does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from chaos.suite.proxy import Link, proxied

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def linked() -> AsyncIterator[Link]:
    """A link to a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1024):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, proxied(server.sockets[0].getsockname()[1]) as link:
        yield link


async def say(streams: Streams, text: bytes) -> bytes:
    """Send a text, and return what comes back; nothing within half a second raises TimeoutError."""
    reader, writer = streams
    writer.write(text)
    async with asyncio.timeout(0.5):
        return await reader.readexactly(len(text))


async def test_whole_link_passes_everything() -> None:
    async with linked() as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        assert await say(streams, b"hello") == b"hello"
        streams[1].close()


async def test_cut_link_breaks_connections_and_refuses_new_ones_until_mended() -> None:
    async with linked() as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        await say(streams, b"hello")
        link.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(streams, b"lost")
        late = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(late, b"refused")
        link.mend()
        again = await asyncio.open_connection("127.0.0.1", link.port)
        assert await say(again, b"hello") == b"hello"
        again[1].close()


async def test_stalled_link_holds_everything_and_lets_it_go_on_when_mended() -> None:
    async with linked() as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        await say(streams, b"hello")
        link.stall()
        with pytest.raises(TimeoutError):
            await say(streams, b"held")
        link.mend()
        async with asyncio.timeout(1):
            assert await streams[0].readexactly(4) == b"held"
        streams[1].close()


async def test_delayed_link_takes_its_time_in_both_directions() -> None:
    async with linked() as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        link.delay(0.1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await say(streams, b"hello") == b"hello"
        assert loop.time() - began > 0.19
        streams[1].close()

"""HTTP/1.1 by hand: what no client library would send."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """A status, headers by their lower-case names, a body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def problem(self) -> Mapping[str, Any]:
        """The body, which has to be an error in the documented shape."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem: Mapping[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        assert all(isinstance(problem[name], str) for name in ("type", "title", "detail", "code"))
        return problem


@dataclass(frozen=True, slots=True, kw_only=True)
class RawConnection:
    """A connection that sends and reads whatever it is told to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        """Send, as far as the other side takes it."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def answer(self, *, has_body: bool = True) -> RawAnswer:
        """Read one answer; one to HEAD has no body."""
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")) if has_body else 0)
        return RawAnswer(status=int(head[0].split()[1]), headers=headers, body=body)

    async def ended(self) -> bool:
        """Whether the other side closes, without another byte, within 10 s."""
        async with asyncio.timeout(SECONDS):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def raw_connection(url: str) -> AsyncIterator[RawConnection]:
    """Connect to a gateway."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield RawConnection(reader=reader, writer=writer)
    finally:
        writer.transport.abort()


async def exchange(url: str, *parts: bytes) -> RawAnswer:
    """Send, and read one answer."""
    async with raw_connection(url) as connection:
        await connection.send(*parts)
        return await connection.answer()


def head(method: str, target: str, *lines: str) -> bytes:
    """The head of a request; `lines` are more headers."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: gateway", *lines, "", ""]).encode("latin-1")

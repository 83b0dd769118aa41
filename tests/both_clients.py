"""One suite for the client that blocks and the one that does not."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest

from badges_client import AsyncBadgesClient, BadgesClient

Clients: TypeAlias = type[BadgesClient] | type[AsyncBadgesClient]
Call: TypeAlias = Callable[..., Awaitable[Any]]

both = pytest.mark.parametrize("kind", [BadgesClient, AsyncBadgesClient])


@asynccontextmanager
async def calling(kind: Clients, url: str, key: str, **options: Any) -> AsyncIterator[Call]:
    """Lend the methods of a client of that kind: `await call("award", …)`."""
    client = kind(url, key, **options)

    async def call(name: str, /, *arguments: Any, **named: Any) -> Any:
        result = getattr(client, name)(*arguments, **named)
        if inspect.isasyncgen(result):
            return [item async for item in result]
        if inspect.isawaitable(result):
            return await result
        return list(result) if inspect.isgenerator(result) else result

    try:
        yield call
    finally:
        await call("close" if kind is BadgesClient else "aclose")

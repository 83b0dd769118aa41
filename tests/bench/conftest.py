"""Peers of the bench as processes on a test's installation."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from processes import Installation, Service

StartPeer: TypeAlias = Callable[..., Awaitable[Service]]


@pytest.fixture
def start_peer(badges: Installation) -> StartPeer:
    """Start a module of `bench.peers` that serves HTTP; return it once it is ready."""

    async def start(module: str, **settings: str) -> Service:
        service = badges._start(module, ("-m", f"bench.peers.{module}"), "PEER", settings)
        return await service.ready()

    return start

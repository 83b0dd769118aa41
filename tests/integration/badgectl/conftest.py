"""The database of a test as `badges_operator` finds it."""

import asyncio

import pytest

from database_roles import OPERATOR, OWNER, make_roles
from servers import TestServers
from storage.migrate import upgrade


@pytest.fixture
async def operator_url(servers: TestServers, database_url: str) -> str:
    """Where the role of operators finds the test's database; it may do there what `badgectl migrate` grants."""
    servers.must_be_ours()  # roles are the whole server's, and these have passwords that everybody knows
    urls = await make_roles(database_url)
    await asyncio.to_thread(upgrade, urls[OWNER])
    return urls[OPERATOR]

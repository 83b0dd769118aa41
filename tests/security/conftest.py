"""A broker as production has it: TLS, passwords, and nothing allowed that was not granted."""

from collections.abc import Iterator
from itertools import count

import pytest

from messaging.topics import create_topics
from secure_broker import SecureBroker, secure_broker

_numbers = count(1)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """One broker with a listener for each protocol, for all tests of this folder."""
    with secure_broker(tmp_path_factory.mktemp("secure")) as running:
        yield running


@pytest.fixture
async def topics(broker: SecureBroker) -> str:
    """The prefix of a set of topics of the test's own, which nobody may touch yet."""
    prefix = f"s{next(_numbers)}_"
    await create_topics(broker.superuser(prefix), partitions=2)
    return prefix

"""What a deploy goes through: requests that come in meanwhile, processes that are ended and started again."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from badges_client import AsyncBadgesClient
from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.settings import KafkaSettings
from processes import Service

CHUNK = 20
PAUSE_SECONDS = 0.05


class Load:
    """Requests that come in without end, each for a participant of its own."""

    def __init__(self, kafka: KafkaSettings, demo: DemoTenant) -> None:
        self._kafka = kafka
        self._tenant_id = demo.id
        self._numbers = count()
        self.published = 0

    @asynccontextmanager
    async def coming_in(self) -> AsyncIterator[None]:
        """Publish meanwhile, and in the end finish what is under way."""
        ended = asyncio.Event()
        publishing = asyncio.create_task(self._publish(ended))
        try:
            yield
        finally:
            ended.set()
            await publishing

    async def _publish(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            numbers = [next(self._numbers) for _ in range(CHUNK)]
            requests = (award_request(tenant_id=self._tenant_id, participant_id=f"user_{number}") for number in numbers)
            await publish(self._kafka, *requests)
            self.published += CHUNK
            await asyncio.sleep(PAUSE_SECONDS)


async def awarded_over_http(gateway: Service, demo: DemoTenant, participant_id: str) -> None:
    """Have the gateway use its statements: those that Postgres has planned before the migration too."""
    async with AsyncBadgesClient(gateway.url, demo.live_key) as client:
        await client.award(participant_id, "power_user")
        assert (await client.participant_badges(participant_id)).earned_count == 1


async def restart(service: Service) -> None:
    """End it in order, as a deploy does, and start it again."""
    service.send(signal.SIGTERM)
    assert await asyncio.to_thread(service.wait) == 0
    service.start()
    await service.ready()

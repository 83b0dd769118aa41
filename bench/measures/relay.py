"""What one relay can publish when it has nothing else to do: there is one at work in an installation."""

import asyncio
from datetime import UTC, datetime
from time import perf_counter
from uuid import UUID

import asyncpg

from bench.cpu import CpuMeter
from bench.installation import Installation, badge_id, connected
from bench.participants import newcomer
from bench.setting import Figures, Setting, cpu_figures
from domain.awards import Award
from domain.badges import Badge, Rarity
from messaging.announcements import KafkaAnnouncements

BATCH = 1000
LOOK_SECONDS = 0.02
RELAY_SECONDS = 600

_ENQUEUE = "INSERT INTO outbox (payload, message_count) VALUES ($1, $2)"
_LEFT = "SELECT coalesce(sum(message_count), 0) FROM outbox"


async def relay_alone(setting: Setting) -> Figures:
    """Events a second from an outbox of full batches, from the first transaction to the last."""
    async with setting.installation() as place, connected(place) as connection:
        await _fill_outbox(place, connection, setting.effort.drained_by_two)
        worker = place.worker()
        async with asyncio.timeout(RELAY_SECONDS):
            whole = await connection.fetchval(_LEFT)
            while (left := await connection.fetchval(_LEFT)) == whole:  # noqa: ASYNC110 - another process moves it
                await asyncio.sleep(LOOK_SECONDS)
            meter, began, first = CpuMeter(place, {"worker": [worker]}), perf_counter(), left
            while left:
                await asyncio.sleep(LOOK_SECONDS)
                left = await connection.fetchval(_LEFT)
        ended = perf_counter()
        meter.stop()
    return {
        "relay_per_second": float(first) / (ended - began),
        **cpu_figures("relay", meter.microseconds(float(first))),
    }


async def _fill_outbox(place: Installation, connection: asyncpg.Connection, events: int) -> None:
    badge = _badge(place, await badge_id(place))
    announcements = KafkaAnnouncements(place.topics)
    for start in range(0, events, BATCH):
        numbers = range(start, min(start + BATCH, events))
        packed = [announcements.badge_awarded(_award(badge, newcomer(number)), badge) for number in numbers]
        await connection.execute(_ENQUEUE, b"".join(packed), len(packed))


def _award(badge: Badge, participant_id: str) -> Award:
    return Award(
        tenant_id=badge.tenant_id,
        participant_id=participant_id,
        badge_id=badge.id,
        earned_at=datetime.now(UTC),
        metadata=None,
        request_id=f"first-{participant_id}",
        source="/bench",
    )


def _badge(place: Installation, identity: UUID) -> Badge:
    now = datetime.now(UTC)
    return Badge(
        id=identity,
        tenant_id=place.tenant_id,
        code="power_user",
        name="Power User",
        rarity=Rarity.RARE,
        category="engagement",
        is_active=True,
        created_at=now,
        updated_at=now,
    )

from uuid import UUID, uuid4

import asyncpg
import pytest

from devstack.seed import DemoTenant
from domain.awards import RejectionReason
from domain.badges import NewBadge, Rarity
from storage.database import Database
from storage.imports import (
    AskedOutcome,
    KnownOutcome,
    begin_rehearsal,
    create_missing_badges,
    find_outcomes,
    is_tenant_enabled,
    rehearse,
)

AWARDED = KnownOutcome(already_earned=False, rejection=None)
ALREADY_EARNED = KnownOutcome(already_earned=True, rejection=None)


@pytest.fixture
def tenant_id(demo: DemoTenant) -> UUID:
    return UUID(demo.id)


async def award(connection: asyncpg.Connection, tenant_id: UUID, participant_id: str, request_id: str) -> None:
    await connection.execute(
        """INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)
        SELECT $1, $2, id, now(), $3, '' FROM badges WHERE tenant_id = $1 AND code = 'power_user'""",
        tenant_id,
        participant_id,
        request_id,
    )


async def reject(connection: asyncpg.Connection, tenant_id: UUID, request_id: str, offset: int) -> None:
    await connection.execute(
        """INSERT INTO rejected_requests
            (topic, partition, "offset", timestamp_ms, reason, detail, tenant_id, request_id)
        VALUES ('t', 0, $3, 0, 'badge_not_found', '', $1, $2)""",
        tenant_id,
        request_id,
        offset,
    )


def asked(request_id: str, participant_id: str) -> AskedOutcome:
    return AskedOutcome(request_id=request_id, participant_id=participant_id, badge_code="power_user")


async def test_outcomes_are_told_by_whose_request_earned_the_award(
    database: Database, connection: asyncpg.Connection, tenant_id: UUID
) -> None:
    await award(connection, tenant_id, "mine", "r1")
    await award(connection, tenant_id, "others", "before")
    await reject(connection, tenant_id, "r3", 1)
    await reject(connection, tenant_id, "r3", 2)  # sent twice, rejected twice
    questions = [asked("r1", "mine"), asked("r2", "others"), asked("r3", "rejected"), asked("r4", "pending")]
    async with database.reading() as reading:
        found = await find_outcomes(reading, tenant_id=tenant_id, asked=questions)
    rejected = KnownOutcome(already_earned=False, rejection=RejectionReason.BADGE_NOT_FOUND)
    assert found == {"r1": AWARDED, "r2": ALREADY_EARNED, "r3": rejected}


async def test_an_award_of_an_inactive_badge_decides_only_its_own_request(
    database: Database, connection: asyncpg.Connection, tenant_id: UUID
) -> None:
    await award(connection, tenant_id, "u", "r1")
    await connection.execute("UPDATE badges SET is_active = false")
    async with database.reading() as reading:
        found = await find_outcomes(reading, tenant_id=tenant_id, asked=[asked("r1", "u"), asked("r2", "u")])
    assert found == {"r1": AWARDED}


async def test_only_missing_badges_are_created(database: Database, tenant_id: UUID) -> None:
    new = [
        (uuid4(), NewBadge(code="power_user", name="Another name")),
        (uuid4(), NewBadge(code="new_one", name="New One", rarity=Rarity.EPIC)),
    ]
    async with database.transaction() as transaction:
        assert await create_missing_badges(transaction, tenant_id=tenant_id, new=new) == ["new_one"]
        assert await create_missing_badges(transaction, tenant_id=tenant_id, new=new) == []


async def test_rehearsal_counts_a_pair_once_and_leaves_nothing(
    database: Database, connection: asyncpg.Connection, tenant_id: UUID
) -> None:
    await award(connection, tenant_id, "old", "r1")
    pairs = [("u", "power_user"), ("u", "power_user"), ("old", "power_user"), ("u", "unknown")]
    for _ in range(2):
        async with database.reading() as reading:
            await begin_rehearsal(reading)
            counted = await rehearse(reading, tenant_id=tenant_id, pairs=pairs)
            assert counted == {"power_user": 1, "unknown": 1}
            assert await rehearse(reading, tenant_id=tenant_id, pairs=pairs) == {}


async def test_tenant_is_enabled_disabled_or_unknown(
    database: Database, connection: asyncpg.Connection, tenant_id: UUID
) -> None:
    async with database.reading() as reading:
        assert await is_tenant_enabled(reading, tenant_id) is True
        assert await is_tenant_enabled(reading, uuid4()) is None
    await connection.execute("UPDATE tenants SET is_enabled = false")
    async with database.reading() as reading:
        assert await is_tenant_enabled(reading, tenant_id) is False

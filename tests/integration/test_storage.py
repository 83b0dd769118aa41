"""What Postgres guarantees, and what the queries of the gateway return."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from builders import NOON, award_of, award_request, badge, raw_record
from devstack.seed import DemoTenant
from domain.awards import Award
from domain.badges import Badge, NewBadge, ParticipantBadge, Rarity
from domain.errors import BadgeCodeConflictError, DataRefusedError
from storage.award_export import find_awards
from storage.badges import create_badge, is_active_badge
from storage.database import Database
from storage.ledger import PostgresLedger
from storage.participants import find_earned_badge, list_participant_badges


async def define(database: Database, tenant_id: UUID, code: str = "extra", **fields: Any) -> Badge:
    """Create a badge."""
    async with database.transaction() as connection:
        new = NewBadge(code=code, name=fields.pop("name", code), **fields)
        return await create_badge(connection, badge_id=uuid4(), tenant_id=tenant_id, badge=new)


async def give(database: Database, badge: Badge, participant_id: str, **fields: Any) -> Award:
    """Award a badge, past the worker's rules."""
    award = award_of(award_request(tenant_id=badge.tenant_id, participant_id=participant_id, **fields), badge)
    async with PostgresLedger(database).transaction() as transaction:
        assert await transaction.insert_awards([(award, raw_record().position)]) == {award.key}
    return award


async def listed(database: Database, tenant_id: UUID, **filters: Any) -> Sequence[ParticipantBadge]:
    """The list of user_123."""
    arguments: dict[str, Any] = {"participant_id": "user_123", "earned_only": False, "codes": None}
    return await list_participant_badges(database.fetch, tenant_id=tenant_id, **arguments | filters)


async def codes(database: Database, tenant_id: UUID, **filters: Any) -> Sequence[str]:
    """The codes of that list."""
    return [row.code for row in await listed(database, tenant_id, **filters)]


async def test_award_without_a_badge_is_impossible(database: Database, live: UUID) -> None:
    with pytest.raises(DataRefusedError) as refused:
        await give(database, badge(tenant_id=live, id=uuid4()), "user_123")
    assert refused.value.constraint == "fk_awards_tenant_id_badge_id"


async def test_award_of_another_tenants_badge_is_impossible(database: Database, demo: DemoTenant, live: UUID) -> None:
    foreign = await define(database, UUID(demo.test_id))
    with pytest.raises(DataRefusedError) as refused:
        await give(database, badge(tenant_id=live, id=foreign.id), "user_123")
    assert refused.value.constraint == "fk_awards_tenant_id_badge_id"


async def test_second_award_of_one_badge_is_impossible(
    database: Database, live: UUID, connection: asyncpg.Connection
) -> None:
    extra = await define(database, live)
    await give(database, extra, "user_123")
    with pytest.raises(asyncpg.UniqueViolationError, match="pk_awards"):
        await connection.execute("INSERT INTO awards SELECT * FROM awards")


@pytest.mark.parametrize("participant_id", ["", "x" * 256])
async def test_award_for_an_id_of_another_length_is_impossible(
    participant_id: str, database: Database, live: UUID
) -> None:
    extra = await define(database, live)
    with pytest.raises(DataRefusedError) as refused:
        await give(database, extra, participant_id)
    assert refused.value.constraint == "ck_awards_participant_id"
    assert refused.value.sqlstate == "23514"


async def test_longest_id_and_metadata_are_kept_exactly(database: Database, live: UUID) -> None:
    extra = await define(database, live, code="🏅" * 50)
    metadata = {"é": [1, 2.5, True, None, {"": {}}], "big": 2**70, "text": "\x01\u2028\uffff"}
    earned_at = datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    given = await give(database, extra, "🏅" * 255, metadata=metadata, earned_at=earned_at)
    async with database.reading() as connection:
        found = await find_awards(connection, [given.key])
    earned = await find_earned_badge(database.fetch, tenant_id=live, participant_id="🏅" * 255, badge_code="🏅" * 50)
    assert found == [(given, extra)]
    assert earned is not None
    assert (earned.earned_at, earned.request_id) == (earned_at, given.request_id)


async def test_award_survives_deactivation(database: Database, live: UUID, connection: asyncpg.Connection) -> None:
    extra = await define(database, live)
    await give(database, extra, "user_123")
    await connection.execute("UPDATE badges SET is_active = false WHERE id = $1", extra.id)
    assert "extra" in await codes(database, live)
    assert await connection.fetchval("SELECT count(*) FROM awards") == 1


async def test_badge_with_awards_cannot_be_deleted(
    database: Database, live: UUID, connection: asyncpg.Connection
) -> None:
    extra = await define(database, live)
    await give(database, extra, "user_123")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await connection.execute("DELETE FROM badges WHERE id = $1", extra.id)


async def test_created_badge_is_returned_as_it_stands(database: Database, live: UUID) -> None:
    fields: dict[str, Any] = {
        "name": "Früh 🌅",
        "description": "",
        "icon_url": "https://cdn.example.com/x.png",
        "badge_color": "#7C3AED",
        "rarity": Rarity.LEGENDARY,
        "category": "mornings",
        "is_hidden": True,
        "display_order": -(2**31),
    }
    made = await define(database, live, **fields)
    assert made == Badge(
        id=made.id,
        tenant_id=live,
        code="extra",
        is_active=True,
        created_at=made.created_at,
        updated_at=made.created_at,
        **fields,
    )
    assert abs(datetime.now(UTC) - made.created_at) < timedelta(minutes=1)


async def test_code_is_taken_for_ever_within_a_tenant(
    database: Database, demo: DemoTenant, live: UUID, connection: asyncpg.Connection
) -> None:
    await define(database, live)
    await connection.execute("UPDATE badges SET is_active = false WHERE code = 'extra'")
    with pytest.raises(BadgeCodeConflictError) as conflict:
        await define(database, live)
    assert str(conflict.value) == "Badge with code 'extra' already exists"
    await define(database, UUID(demo.test_id))


async def test_codes_differ_by_case_accents_and_blanks(database: Database, live: UUID) -> None:
    for code in ("extra", "Extra", " extra", "e\u0301", "\u00e9"):
        await define(database, live, code=code)


async def test_other_refusals_are_not_called_a_conflict(database: Database) -> None:
    with pytest.raises(DataRefusedError) as refused:
        await define(database, uuid4())
    assert refused.value.constraint == "fk_badges_tenant_id"


async def test_only_an_active_badge_of_the_tenant_is_active(
    database: Database, demo: DemoTenant, live: UUID, connection: asyncpg.Connection
) -> None:
    await define(database, live)
    await connection.execute("UPDATE badges SET is_active = false WHERE code = 'power_user'")
    async with database.reading() as reading:
        assert await is_active_badge(reading, live, "extra")
        assert not await is_active_badge(reading, live, "power_user")
        assert not await is_active_badge(reading, live, "EXTRA")
        assert not await is_active_badge(reading, UUID(demo.test_id), "extra")


async def test_list_is_ordered_by_display_order_then_code(database: Database, live: UUID) -> None:
    for code, order in (("b", 5), ("a", 5), ("B", 5), ("z", -1), ("é", 5)):
        await define(database, live, code=code, display_order=order)
    assert await codes(database, live) == ["z", "first_steps", "B", "a", "b", "é", "power_user"]


async def test_participant_never_seen_has_an_empty_handed_list(database: Database, live: UUID) -> None:
    rows = await listed(database, live)
    assert [row.earned_at for row in rows] == [None, None]
    assert await codes(database, live, earned_only=True) == []


async def test_hidden_and_inactive_badges_are_shown_to_those_who_earned_them(
    database: Database, live: UUID, connection: asyncpg.Connection
) -> None:
    hidden = await define(database, live, code="hidden", is_hidden=True)
    inactive = await define(database, live, code="inactive")
    assert "hidden" not in await codes(database, live)
    await give(database, hidden, "user_123")
    await give(database, inactive, "user_123", earned_at=NOON)
    await connection.execute("UPDATE badges SET is_active = false WHERE code = 'inactive'")
    assert await codes(database, live) == ["hidden", "inactive", "first_steps", "power_user"]
    assert await codes(database, live, earned_only=True) == ["hidden", "inactive"]
    assert await codes(database, live, participant_id="other") == ["first_steps", "power_user"]
    earned = {row.code: row.earned_at for row in await listed(database, live)}
    assert earned["inactive"] == NOON


async def test_list_by_codes_shows_a_hidden_badge_and_leaves_out_unknown_and_inactive_ones(
    database: Database, live: UUID, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE badges SET is_active = false WHERE code = 'first_steps'")
    wanted = ["night_owl", "first_steps", "no such", "power_user"]
    assert await codes(database, live, codes=wanted) == ["power_user", "night_owl"]
    assert await codes(database, live, codes=wanted, earned_only=True) == []
    assert await codes(database, live, codes=[]) == []


async def test_environments_see_nothing_of_each_other(database: Database, demo: DemoTenant, live: UUID) -> None:
    extra = await define(database, live)
    await give(database, extra, "user_123")
    assert "extra" not in await codes(database, UUID(demo.test_id))
    found = await find_earned_badge(
        database.fetch, tenant_id=UUID(demo.test_id), participant_id="user_123", badge_code="extra"
    )
    assert found is None

"""What the database knows of a pair, of codes much alike and of releases to come."""

import time
from uuid import UUID

import asyncpg
import pytest

from builders import NOON
from devstack.seed import DemoTenant
from domain.explanations import close_codes
from storage.database import Database
from storage.explanations import find_explanation, find_similar_codes

ALIKE = (
    "INSERT INTO badges (id, tenant_id, code, name) SELECT gen_random_uuid(), $1, $2 || n, 'Name' FROM {numbers} AS n"
)


@pytest.mark.parametrize(
    ("wanted", "meant"), [("Power_Usr", "power_user"), ("pwoer_user", "power_user"), ("ÄRGER", "ärger"), ("x", "X")]
)
async def test_code_that_was_meant_is_found_among_many(
    database: Database, demo: DemoTenant, connection: asyncpg.Connection, wanted: str, meant: str
) -> None:
    live = UUID(demo.id)
    for code in ("ärger", "X"):
        await connection.execute(ALIKE.format(numbers="unnest(ARRAY[''])"), live, code)
    await connection.execute(ALIKE.format(numbers="generate_series(1, 2000)"), live, "b_")
    async with database.reading() as reading:
        similar = await find_similar_codes(reading, tenant_id=live, badge_code=wanted)
        others = await find_similar_codes(reading, tenant_id=UUID(demo.test_id), badge_code=meant)
    assert close_codes(wanted, similar)[0] == meant
    assert not any(code.startswith("b_") or code in {"ärger", "X"} for code in others)


async def test_codes_much_alike_keep_nobody_busy(
    database: Database, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await connection.execute(ALIKE.format(numbers="generate_series(1000, 1999)"), UUID(demo.id), "ab" * 20 + "c" * 6)
    wanted = "ab" * 20 + "c" * 6 + "10x"
    async with database.reading() as reading:
        similar = await find_similar_codes(reading, tenant_id=UUID(demo.id), badge_code=wanted)
    began = time.thread_time()
    assert len(close_codes(wanted, similar)) == 5
    assert time.thread_time() - began < 0.05


async def test_rejection_of_a_newer_release_is_told_with_its_reason(
    database: Database, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO rejected_requests VALUES ('t', 0, 0, 0, 'of_the_next_release', '', $1, 'u', 'c', 'r', $2)",
        UUID(demo.id),
        NOON,
    )
    async with database.reading() as reading:
        told = await find_explanation(reading, tenant_id=UUID(demo.id), participant_id="u", badge_code="c")
    assert [rejection.reason for rejection in told.rejections] == ["of_the_next_release"]

"""Reads of the gateway and of the worker by their plans, among 200 definitions, 100,000 participants and rejections."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from types import SimpleNamespace
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event, text

from domain.awards import LogPosition
from storage.badges import list_badges
from storage.database import Connection, Database, Fetch, Rows
from storage.explanations import find_explanation
from storage.ledger import PostgresTransaction
from storage.participants import find_earned_badge, list_participant_badges

TENANT = UUID("11111111-1111-4111-8111-111111111111")
OTHER = UUID("22222222-2222-4222-8222-222222222222")
DEFINITIONS, PARTICIPANTS = 200, 100_000
PARTICIPANT = "user_4711"

FILL = f"""
INSERT INTO tenants (id, slug, environment) VALUES ('{TENANT}', 'big', 'live'), ('{OTHER}', 'other', 'live');
INSERT INTO badges (id, tenant_id, code, name, category, rarity, is_hidden, is_active, display_order)
    SELECT gen_random_uuid(), tenant, 'code_' || n, 'Name ' || n, 'category_' || n % 5, 'common',
           n % 20 = 0, n % 10 <> 0, n % 7
    FROM generate_series(1, {DEFINITIONS}) AS n, unnest(ARRAY['{TENANT}', '{OTHER}']::uuid[]) AS tenant;
INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)
    SELECT '{TENANT}', 'user_' || n, b.id, now(), 'request_' || n || '_' || k, '/tests'
    FROM generate_series(1, {PARTICIPANTS}) AS n, generate_series(1, 2) AS k
    JOIN badges AS b ON b.tenant_id = '{TENANT}' AND b.code = 'code_' || (k * 7)
    WHERE n % 2 < k;
INSERT INTO rejected_requests (topic, partition, "offset", timestamp_ms, reason, detail)
    SELECT 'award_requests', n % 3, n, 0, 'malformed_json', '' FROM generate_series(1, 100000) AS n;
INSERT INTO outbox (payload, message_count, created_at)
    SELECT '', 1, now() - n * interval '1 second' FROM generate_series(1, 20000) AS n;
ANALYZE tenants, badges, awards, rejected_requests, outbox;
"""  # noqa: S608 - made of constants

PLAIN = {
    *("Limit", "Sort", "Incremental Sort", "Aggregate"),
    *("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Bitmap Index Scan"),
}

Read = Callable[[Connection], Awaitable[object]]
Codes: TypeAlias = list[str] | None


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[Database]:
    """A database with a big tenant in it."""
    bare = await asyncpg.connect(database_url)
    await bare.execute(FILL)
    await bare.close()
    pool = Database(database_url, application="tests")
    yield pool
    await pool.close()


@contextmanager
def recorded(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are sent, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def note(*sent: Any) -> None:
        statements.append((sent[2], sent[3]))

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def plans(database: Database, read: Read) -> list[list[Mapping[str, Any]]]:
    """The plan of each statement of a read: all of its nodes, as they were executed."""
    async with database.reading() as connection:
        await connection.execute(text("SELECT 1"))  # what a new connection asks for itself is over
        with recorded(database) as statements:
            await read(connection)
        explained = []
        for statement, parameters in statements:
            rows = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            found = rows.scalar_one()
            explained.append(list(nodes((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])))
    return explained


async def plan_fetched(database: Database, read: Callable[[Fetch], Awaitable[object]]) -> list[Mapping[str, Any]]:
    """The plan of the one statement of a read that goes straight to the driver."""
    statements: list[tuple[Any, ...]] = []

    async def fetch(*statement: Any) -> Rows:
        statements.append(statement)
        return await database.fetch(*statement)

    await read(fetch)
    ((query, *parameters),) = statements
    ((found,),) = await database.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *parameters)
    return list(nodes((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A plan's nodes, from the top."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def on(table: str, plan: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The nodes that read a table; a bitmap's index scan names only its index, and is under one that does."""
    return [node for node in plan if node.get("Relation Name") == table]


def assert_by_index(table: str, plan: list[Mapping[str, Any]], *, most_rows: int) -> None:
    """The table is read by an index, and hardly more of it than is wanted."""
    scans = on(table, plan)
    assert scans
    for scan in scans:
        assert scan["Node Type"] in {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}, scan
        assert scan["Actual Rows"] * scan["Actual Loops"] <= most_rows
        assert scan.get("Rows Removed by Filter", 0) * scan["Actual Loops"] <= most_rows


async def test_participants_list_is_one_query_by_index(filled: Database) -> None:
    for earned_only, codes in product((False, True), (None, ["code_14", "code_20", "code_99"])):

        async def read(fetch: Fetch, *, earned: bool = earned_only, only: Codes = codes) -> None:
            rows = await list_participant_badges(
                fetch, tenant_id=TENANT, participant_id=PARTICIPANT, earned_only=earned, codes=only
            )
            assert rows

        plan = await plan_fetched(filled, read)
        assert_by_index("awards", plan, most_rows=4)
        assert on("badges", plan)
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in on("badges", plan)) <= 2 * DEFINITIONS


async def test_admin_list_is_one_query_and_a_count_and_leaves_awards_alone(filled: Database) -> None:
    for category, is_active in product((None, "category_3"), (None, True)):

        async def read(connection: Connection, *, of: str | None = category, active: bool | None = is_active) -> None:
            rows, total = await list_badges(
                connection, tenant_id=TENANT, category=of, is_active=active, page=2, page_size=10
            )
            assert (len(rows), total >= 20) == (10, True)

        found = await plans(filled, read)
        assert len(found) == 2
        for plan in found:
            assert on("badges", plan)
            assert not on("awards", plan)
            assert {node["Node Type"] for node in plan} <= PLAIN


async def test_award_is_read_back_by_index(filled: Database) -> None:
    async def read(fetch: Fetch) -> None:
        found = await find_earned_badge(fetch, tenant_id=TENANT, participant_id=PARTICIPANT, badge_code="code_14")
        assert found is not None

    plan = await plan_fetched(filled, read)
    assert_by_index("awards", plan, most_rows=2)
    assert_by_index("badges", plan, most_rows=1)


async def test_what_was_rejected_before_is_found_by_index(filled: Database) -> None:
    places = [LogPosition("award_requests", n % 3, n, 0) for n in range(99_990, 100_010)]

    async def read(fetch: Fetch) -> None:
        found = await PostgresTransaction(SimpleNamespace(fetch=fetch)).find_rejections(places)
        assert list(found) == places[:11]

    assert_by_index("rejected_requests", await plan_fetched(filled, read), most_rows=12)


async def test_award_is_explained_by_index_however_long_the_outbox_is(filled: Database) -> None:
    async def read(connection: Connection) -> None:
        found = await find_explanation(connection, tenant_id=TENANT, participant_id=PARTICIPANT, badge_code="code_14")
        assert found.award is not None

    found = await plans(filled, read)
    assert any(on("outbox", plan) for plan in found)
    for plan in found:
        for table in ("awards", "outbox"):
            if on(table, plan):
                assert_by_index(table, plan, most_rows=2)


async def test_read_without_an_index_would_be_found(filled: Database) -> None:
    async def read(connection: Connection) -> None:
        await connection.execute(text("SELECT count(*) FROM awards WHERE source = '/elsewhere'"))

    (plan,) = await plans(filled, read)
    with pytest.raises(AssertionError):
        assert_by_index("awards", plan, most_rows=4)

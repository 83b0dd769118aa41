"""What each database role may do, and what it may not."""

import asyncio
from collections.abc import Mapping

import asyncpg
import pytest

from database_roles import API, OPERATOR, OWNER, WORKER, make_roles
from servers import TestServers
from storage.migrate import check, upgrade

TABLES = """
    SELECT c.relname, pg_get_userbyid(c.relowner) FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S')
"""
FORBIDDEN = {
    "gateway_writes_awards": (API, "INSERT INTO awards SELECT * FROM awards"),
    "gateway_changes_awards": (API, "UPDATE awards SET earned_at = now()"),
    "gateway_deletes_awards": (API, "DELETE FROM awards"),
    "gateway_publishes": (API, "INSERT INTO outbox (payload, message_count) VALUES ('', 1)"),
    "gateway_hides_rejections": (API, "DELETE FROM rejected_requests"),
    "gateway_deletes_definitions": (API, "DELETE FROM badges"),
    "gateway_changes_codes": (API, "UPDATE badges SET code = 'other'"),
    "gateway_moves_definitions": (API, "UPDATE badges SET tenant_id = id"),
    "gateway_makes_keys": (API, "INSERT INTO api_keys SELECT * FROM api_keys"),
    "gateway_gives_scopes": (API, "UPDATE api_keys SET scopes = '{admin}'"),
    "gateway_revives_keys": (API, "UPDATE api_keys SET revoked_at = NULL, expires_at = NULL"),
    "gateway_enables_tenants": (API, "UPDATE tenants SET is_enabled = true"),
    "gateway_moves_the_watermark": (API, "UPDATE relay_state SET emit_seq = 0"),
    "worker_reads_hashes_of_keys": (WORKER, "SELECT key_hash FROM api_keys"),
    "worker_reads_names_of_keys": (WORKER, "SELECT name FROM api_keys"),
    "worker_changes_definitions": (WORKER, "UPDATE badges SET name = 'other'"),
    "worker_makes_definitions": (WORKER, "INSERT INTO badges SELECT * FROM badges"),
    "worker_changes_awards": (WORKER, "UPDATE awards SET earned_at = now()"),
    "worker_deletes_awards": (WORKER, "DELETE FROM awards"),
    "worker_enables_tenants": (WORKER, "UPDATE tenants SET is_enabled = true"),
    "worker_changes_payloads": (WORKER, "UPDATE outbox SET payload = ''"),
    "worker_releases_its_brake": (WORKER, "UPDATE brake_control SET released_until = now()"),
    "operator_reads_hashes_of_keys": (OPERATOR, "SELECT key_hash FROM api_keys"),
    "operator_writes_awards": (OPERATOR, "INSERT INTO awards SELECT * FROM awards"),
    "operator_deletes_awards": (OPERATOR, "DELETE FROM awards"),
    "operator_deletes_keys": (OPERATOR, "DELETE FROM api_keys"),
    "operator_gives_scopes": (OPERATOR, "UPDATE api_keys SET scopes = '{admin}'"),
    "gateway_makes_tables": (API, "CREATE TABLE mine ()"),
    "worker_makes_temporary_tables": (WORKER, "CREATE TEMPORARY TABLE mine ()"),
    "worker_truncates": (WORKER, "TRUNCATE awards"),
    "operator_drops_tables": (OPERATOR, "DROP TABLE awards"),
    "operator_migrates": (OPERATOR, "UPDATE alembic_version SET version_num = '0001'"),
    "owner_makes_roles": (OWNER, "CREATE ROLE mine"),
}


@pytest.mark.parametrize(("role", "statement"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
async def test_is_refused(urls: Mapping[str, str], role: str, statement: str) -> None:
    bare = await asyncpg.connect(urls[role])
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await bare.execute(statement)
    finally:
        await bare.close()


async def test_owner_alone_brings_a_new_database_to_the_schema(urls: Mapping[str, str]) -> None:
    await asyncio.to_thread(check, urls[OWNER])
    for role in (API, WORKER, OPERATOR):
        bare = await asyncpg.connect(urls[role])
        owners = {owner for _, owner in await bare.fetch(TABLES)}
        assert owners == {OWNER}
        await bare.close()


async def test_database_of_before_the_roles_becomes_the_owners(servers: TestServers, database_url: str) -> None:
    servers.must_be_ours()
    await make_roles(database_url)
    urls = await make_roles(database_url)
    await asyncio.to_thread(upgrade, urls[OWNER])
    bare = await asyncpg.connect(urls[WORKER])
    assert {owner for _, owner in await bare.fetch(TABLES)} == {OWNER}
    assert await bare.fetchval("SELECT count(*) FROM awards") == 0
    await bare.close()


async def test_right_that_is_no_longer_needed_is_taken_back(urls: Mapping[str, str]) -> None:
    owner, api = await asyncpg.connect(urls[OWNER]), await asyncpg.connect(urls[API])
    await owner.execute("GRANT DELETE ON awards TO badges_api; GRANT UPDATE (code) ON badges TO badges_api")
    await api.execute("DELETE FROM awards; UPDATE badges SET code = code")
    await asyncio.to_thread(upgrade, urls[OWNER])
    for statement in ("DELETE FROM awards", "UPDATE badges SET code = code"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await api.execute(statement)
    for bare in (owner, api):
        await bare.close()


async def test_stranger_cannot_connect(urls: Mapping[str, str], superuser: asyncpg.Connection) -> None:
    await superuser.execute("CREATE ROLE stranger LOGIN PASSWORD 'known'")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
            await asyncpg.connect(urls[API], user="stranger", password="known")  # noqa: S106 - for a moment
    finally:
        await superuser.execute("DROP ROLE stranger")

"""Tenants and keys by hand, on a real database."""

import json

import asyncpg
import pytest

from devstack.seed import DemoTenant
from operator_commands import Ended, run_badgectl


def badgectl(database_url: str, *arguments: str, **environment: str) -> Ended:
    return run_badgectl(*arguments, environment={"BADGES_DATABASE_URL": database_url, **environment})


async def test_keys_are_listed_within_80_columns_each_id_whole(
    database_url: str, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    new = (
        "keys",
        "create",
        "demo",
        "--environment",
        "test",
        "--scope",
        "gamify:admin",
        "--name",
        "a name that is long",
    )
    made = json.loads(badgectl(database_url, *new, "--expires", "90d", "--json").out)
    assert made["tenant_id"] == demo.test_id
    await connection.execute("UPDATE api_keys SET revoked_at = '2026-03-01T10:00:00Z' WHERE name = 'demo'")

    listed = badgectl(database_url, "keys", "list", "demo", COLUMNS="80", FORCE_COLOR="1", NO_COLOR="1")
    lines = listed.out.splitlines()
    assert max(len(line.rstrip()) for line in lines if "\x1b" not in line) <= 80
    rows = [line.split() for line in lines]
    assert [made["id"], "test"] in [row[:2] for row in rows]
    assert "2026-03-01" in listed.out
    assert demo.id not in listed.out

    as_json = json.loads(badgectl(database_url, "keys", "list", "demo", "--json").out)
    assert {key["tenant_id"] for key in as_json} == {demo.id, demo.test_id}
    assert as_json[0]["revoked_at"] == "2026-03-01T10:00:00Z"


@pytest.mark.parametrize("slug", ["", "A", "a b", "a.b", "é", "a\n", "x" * 64])
def test_a_slug_that_is_none_is_refused(database_url: str, slug: str) -> None:
    refused = badgectl(database_url, "tenants", "create", slug)
    assert (refused.code, refused.out) == (1, "")
    assert "1 to 63 lower-case letters" in refused.err
    assert badgectl(database_url, "tenants", "list", "--json").out == "[]\n"


def test_a_tenant_is_made_with_both_environments_and_can_be_disabled(database_url: str) -> None:
    slug = "a-z_9" + "x" * 58
    made = json.loads(badgectl(database_url, "tenants", "create", slug, "--json").out)
    assert [(t["slug"], t["environment"], t["is_enabled"]) for t in made] == [
        (slug, "live", True),
        (slug, "test", True),
    ]
    again = badgectl(database_url, "tenants", "create", slug)
    assert (again.code, "already" in again.err) == (1, True)
    disabled = badgectl(database_url, "tenants", "disable", slug, "--environment", "test", "--json")
    assert [t["is_enabled"] for t in json.loads(disabled.out)] == [False]
    assert made[0]["id"] in badgectl(database_url, "tenants", "list").out


@pytest.mark.parametrize("expires", ["0d", "2020-01-01T00:00:00Z", "soon", "9999999999d"])
def test_a_key_that_never_works_is_refused(
    database_url: str,
    demo: DemoTenant,  # noqa: ARG001 - only has to be there
    expires: str,
) -> None:
    refused = badgectl(database_url, "keys", "create", "demo", "--expires", expires)
    assert (refused.code, refused.out) == (1, "")
    assert "--expires" in refused.err

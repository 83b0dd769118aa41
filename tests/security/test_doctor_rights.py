"""`badgectl doctor` as each of the roles: what the user is fit for, and what the others need."""

import asyncio
from collections.abc import Mapping

import asyncpg
import pytest

from database_roles import API, OPERATOR, OWNER, WORKER
from operator_commands import run_badgectl


async def told(url: str) -> Mapping[str, str]:
    """What the check of rights says."""
    environment = {"BADGES_DATABASE_URL": url, "BADGES_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    done = await asyncio.to_thread(run_badgectl, "doctor", "--json", environment=environment)
    (found,) = [each for each in done.json["checks"] if each["check"] == "postgres rights"]
    return dict(found)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (API, "serve as a gateway"),
        (WORKER, "work as an award worker"),
        (OPERATOR, "operate"),
        (OWNER, "serve as a gateway, work as an award worker, operate, migrate"),
    ],
)
async def test_each_role_is_fit_for_its_purpose_and_no_other(urls: Mapping[str, str], role: str, may: str) -> None:
    found = await told(urls[role])
    assert (found["level"], found["said"].split(";")[0]) == ("ok", f"{role} may {may}")
    assert found["said"].count("; not ") == (0 if role == OWNER else 2)


async def test_role_that_lost_a_right_is_fit_for_nothing_and_is_told_which(
    urls: Mapping[str, str], superuser: asyncpg.Connection
) -> None:
    await superuser.execute(f"REVOKE INSERT ON awards FROM {WORKER}")
    try:
        found = await told(urls[WORKER])
    finally:
        await superuser.execute(f"GRANT INSERT ON awards TO {WORKER}")
    assert found["level"] == "failure"
    assert "not work as an award worker (lacks INSERT on awards)" in found["said"]

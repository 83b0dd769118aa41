import asyncio
import json
from pathlib import Path
from uuid import UUID

import asyncpg

from badgectl.import_files import CHUNK_ROWS
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import read_topic
from operator_commands import badgectl, begin, ended
from processes import Installation

ROWS = 3000
PAIRS = 2000


def write_xml(folder: Path) -> Path:
    """Each pair once, then a third of the pairs again, later."""
    rows = [
        f'<row Id="{n}" UserId="{n % PAIRS}" Name="Badge {n % PAIRS % 7}" '
        f'Date="20{10 + n // 1000}-01-01T00:{n % 3600 // 60:02}:{n % 60:02}.5" Class="{n % 3 + 1}"/>'
        for n in range(ROWS)
    ]
    path = folder / "Badges.xml"
    path.write_text("<badges>\n" + "\n".join(rows) + "\n</badges>\n")
    return path


async def test_each_pair_is_awarded_once_with_its_first_date(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant, tmp_path: Path
) -> None:
    file = write_xml(tmp_path)
    arguments = ("import", str(file), "--create-badges", "--tenant", demo.id, "--json")

    rehearsed = await badgectl(worker, *arguments, "--dry-run")
    rehearsal = rehearsed.json
    assert (rehearsed.code, rehearsal["complete"]) == (0, True)
    assert (rehearsal["awarded"], rehearsal["already_earned"]) == (PAIRS, ROWS - PAIRS)
    assert len(rehearsal["created_badges"]) == 7
    assert await connection.fetchval("SELECT count(*) FROM awards") == 0
    assert await connection.fetchval("SELECT count(*) FROM badges WHERE code LIKE 'badge_%'") == 0

    first = await badgectl(worker, *arguments)
    assert first.code == 0, first.err
    assert (first.json["published"], first.json["awarded"]) == (ROWS, PAIRS)
    assert (first.json["already_earned"], first.json["not_answered"]) == (ROWS - PAIRS, 0)
    assert await connection.fetchval("SELECT count(*) FROM awards WHERE earned_at >= '2012-01-01'") == 0

    again = (await badgectl(worker, *arguments)).json
    assert (again["awarded"], again["already_earned"], again["created_badges"]) == (0, ROWS, [])
    rehearsal = (await badgectl(worker, *arguments, "--dry-run")).json
    assert (rehearsal["awarded"], rehearsal["already_earned"]) == (0, ROWS)

    events = [json.loads(line) for line in (await badgectl(worker, "events", "--json")).out.splitlines()]
    assert len({event["id"] for event in events}) == len(events) == PAIRS


async def test_killed_worker_costs_time_but_no_outcome(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant, tmp_path: Path
) -> None:
    importing = await begin(
        worker, "import", str(write_xml(tmp_path)), "--create-badges", "--tenant", demo.id, "--json"
    )
    while await connection.fetchval("SELECT count(*) FROM awards") == 0:
        await asyncio.sleep(0.005)
    worker.services[0].kill()
    worker.services[0].start()

    done = await ended(importing)

    assert done.code == 0, done.err
    assert (done.json["awarded"], done.json["already_earned"]) == (PAIRS, ROWS - PAIRS)
    assert await connection.fetchval("SELECT count(*) FROM awards") == PAIRS


async def test_badges_that_cannot_be_awarded_stop_an_import_before_it_makes_dead_letters(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant, tmp_path: Path
) -> None:
    await connection.execute("UPDATE badges SET is_active = false WHERE code = 'night_owl'")
    file = tmp_path / "rows.csv"
    rows = ["u1,power_user", "u2,power_user", "u1,power_user", "u1,nowhere", "u1,night_owl", ",power_user"]
    file.write_text("\n".join(["participant_id,badge_code", *rows]))
    command = ("import", str(file), "--tenant", demo.id, "--json")

    rehearsal = await badgectl(worker, *command, "--dry-run")
    assert {"awarded": 2, "already_earned": 1, "invalid": 1}.items() <= rehearsal.json.items()
    assert rehearsal.json["rejected"] == {"badge_not_found": 2}

    refused = await badgectl(worker, *command)
    assert (refused.code, refused.json["published"], refused.json["not_published"]) == (1, 0, 5)
    assert "night_owl (inactive), nowhere (not defined)" in refused.err
    assert "line 7: participant_id is missing" in refused.err

    created = await badgectl(worker, *command, "--create-badges")
    assert (created.code, created.json["published"], created.json["created_badges"]) == (1, 0, ["nowhere"])
    await connection.execute("DELETE FROM badges WHERE code = 'nowhere'")

    expected = {"awarded": 2, "already_earned": 1, "skipped": 2, "rejected": {}, "invalid": 1}
    skipping = (*command, "--skip-unawardable")
    assert expected.items() <= (await badgectl(worker, *skipping, "--dry-run")).json.items()
    done = await badgectl(worker, *skipping)
    assert expected.items() <= done.json.items()
    assert (done.code, done.json["not_published"]) == (1, 0)
    assert "say --skip-invalid" in done.err
    for rehearsing in (("--dry-run",), ()):
        assert (await badgectl(worker, *skipping, *rehearsing)).code == 1
        again = await badgectl(worker, *skipping, *rehearsing, "--skip-invalid")
        assert (again.code, again.json["invalid"]) == (0, 1)
    assert (await badgectl(worker, "events", "--dlq", "--json")).out == ""


async def test_what_precedes_a_badge_that_cannot_be_awarded_is_imported(
    worker: Installation, demo: DemoTenant, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    rows = [f"u{number},power_user" for number in range(CHUNK_ROWS)]
    file.write_text("\n".join(["participant_id,badge_code", *rows, "u,nowhere", "u,first_steps"]))
    done = await badgectl(worker, "import", str(file), "--tenant", demo.id, "--json")
    assert done.code == 1
    assert (done.json["awarded"], done.json["not_published"]) == (CHUNK_ROWS, 2)
    assert "nowhere (not defined)" in done.err
    assert "safe to run again" in done.err


async def test_a_badge_that_is_deactivated_meanwhile_makes_counted_dead_letters(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("participant_id,badge_code\nu1,power_user\nu2,power_user\n")
    importing = await begin(badges, "import", str(file), "--tenant", demo.id, "--json")
    assert len(await read_topic(badges.kafka, topics_of(badges.kafka).award_requests, at_least=2)) == 2
    await connection.execute("UPDATE badges SET is_active = false")
    badges.worker()
    done = await ended(importing)
    assert (done.code, done.json["rejected"]) == (0, {"badge_not_found": 2})
    letters = (await badgectl(badges, "events", "--dlq", "--json")).out.splitlines()
    assert [json.loads(letter)["dlq_reason"] for letter in letters] == ["badge_not_found"] * 2


async def test_broken_file_is_imported_up_to_the_broken_place(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant, tmp_path: Path
) -> None:
    file = tmp_path / "Badges.xml"
    row = '<row UserId="1" Name="Power User" Date="2012-01-01T00:00:00" Class="2"/>'
    file.write_text(f"<badges>{row}{row}<row")
    done = await badgectl(worker, "import", str(file), "--tenant", demo.id)
    assert done.code == 1
    assert "after row 2" in done.err
    assert "safe to run again" in done.err
    assert await connection.fetchval("SELECT count(*) FROM awards") == 1


async def test_without_a_worker_the_import_gives_up_and_says_so(
    badges: Installation, demo: DemoTenant, tmp_path: Path
) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_text('{"participant_id": "u", "badge_code": "power_user"}\n')
    done = await badgectl(badges, "import", str(file), "--tenant", demo.id, "--patience", "1", "--json")
    assert done.code == 1
    assert (done.json["published"], done.json["not_answered"]) == (1, 1)
    assert "nothing has moved" in done.err


async def test_tenant_is_named_by_slug_and_environment_or_by_id(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("participant_id,badge_code\nu,power_user\n")
    for options, tenant in (
        (("--tenant", "demo"), demo.id),
        (("--tenant", "demo", "--environment", "test"), demo.test_id),
    ):
        assert (await badgectl(worker, "import", str(file), *options, "--dry-run")).code == 0
        assert (await badgectl(worker, "import", str(file), *options)).code == 0
        assert await connection.fetchval("SELECT count(*) FROM awards WHERE tenant_id = $1", UUID(tenant)) == 1
    refused = await badgectl(worker, "import", str(file), "--tenant", "nobody")
    assert (refused.code, "there is no tenant 'nobody' with a live environment" in refused.err) == (1, True)


async def test_unknown_tenant_is_an_error_before_anything_is_published(badges: Installation, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("participant_id,badge_code\nu,power_user\n")
    tenant = "6f6d1f0c-5d1b-5a0e-9a57-2f4f0f6c8f11"
    done = await badgectl(badges, "import", str(file), "--tenant", tenant)
    assert done.code == 1
    assert f"no tenant {tenant}" in done.err

"""`badgectl doctor` on real servers: what is well is told, and what is not, with what to do."""

import asyncio
from collections.abc import Mapping

import asyncpg
import pytest

from badgectl.doctor_service import look_at_watermark
from builders import award_request, publish
from devstack.seed import DemoTenant
from examinations import examined, found, levels
from operator_commands import badgectl
from processes import Installation
from storage.database import Database
from storage.lag import RelayLag, find_relay_lag
from storage.server_facts import find_server

NOWHERE = "127.0.0.1:1"


async def test_installation_at_work_is_well_but_for_what_the_tests_servers_do_not_keep(worker: Installation) -> None:
    gateway = await worker.gateway().ready()
    told = await examined(worker, BADGES_URL=gateway.url)
    unwell = {name: level for name, level in levels(told.json["checks"]).items() if level != "ok"}
    # One broker; fsync is off.
    assert unwell == {"topic replicas": "warning", "postgres settings": "failure"}
    assert (told.code, told.json["ok"], told.err) == (1, False, "")
    shown = await badgectl(worker, "doctor", environment={"BADGES_URL": gateway.url})
    assert (shown.code, shown.err) == (1, "")
    assert f"{gateway.url} is ready" in shown.out
    assert "failure  postgres settings  fsync is off" in shown.out
    assert "→ set fsync = on" in shown.out


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "failure", "at 0001, this release"),
        ("UPDATE alembic_version SET version_num = 'of_tomorrow'", "warning", "at of_tomorrow, which this release"),
        ("DROP TABLE alembic_version", "failure", "there is none"),
        ("DELETE FROM alembic_version", "failure", "there is none"),
    ],
)
async def test_schema_of_another_release_is_told(
    badges: Installation, connection: asyncpg.Connection, change: str, level: str, said: str
) -> None:
    await connection.execute(change)
    (told,) = await found(badges, "postgres schema")
    assert (told["level"], told["said"][: len(said)]) == (level, said)


@pytest.mark.parametrize(
    ("away", "server", "error", "still_looked_at"),
    [
        ({"BADGES_KAFKA_BOOTSTRAP": NOWHERE}, "kafka", "Kafka cannot be reached", "postgres schema"),
        ({"BADGES_DATABASE_URL": f"postgresql://u@{NOWHERE}/x"}, "postgres", "Postgres cannot be reached", "topics"),
        ({"BADGES_DATABASE_URL": "mysql://u@h/x"}, "postgres", "the database URL is not right", "topics"),
        ({"BADGES_KAFKA_SECURITY_PROTOCOL": "TLS"}, "kafka", "security_protocol", "postgres schema"),
    ],
)
async def test_server_that_is_away_is_one_failure_and_the_other_is_examined(
    badges: Installation, away: Mapping[str, str], server: str, error: str, still_looked_at: str
) -> None:
    told = await examined(badges, **away)
    assert (told.code, told.err) == (1, "")
    by_name = {each["check"]: each for each in told.json["checks"]}
    assert (by_name[server]["level"], error in by_name[server]["said"]) == ("failure", True)
    assert by_name[still_looked_at]["level"] == "ok"
    assert {"cluster", "watermark"}.isdisjoint(by_name)


async def test_servers_that_never_answer_are_given_up_by_a_deadline(badges: Installation) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        place = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        hung = {
            "BADGES_KAFKA_BOOTSTRAP": place,
            "BADGES_DATABASE_URL": f"postgresql://u@{place}/x",
            "BADGES_URL": f"http://{place}",
        }
        async with asyncio.timeout(30):
            told = await examined(badges, **hung)
    assert (told.code, levels(told.json["checks"])) == (
        1,
        {"settings": "ok", "kafka": "failure", "postgres": "failure", "processes": "failure"},
    )


async def test_wrong_password_is_told_and_not_shown(badges: Installation) -> None:
    user, _, rest = badges.database_url.partition("@")
    url = f"{user.rpartition(':')[0]}:opensesame@{rest}"
    told = await examined(badges, BADGES_DATABASE_URL=url)
    (postgres,) = [each for each in told.json["checks"] if each["check"] == "postgres"]
    assert (told.code, postgres["level"]) == (1, "failure")
    assert "password authentication failed" in postgres["said"]
    assert "opensesame" not in told.out + told.err


async def test_kafka_of_another_installation_is_told(badges: Installation, connection: asyncpg.Connection) -> None:
    await connection.execute("UPDATE relay_state SET cluster_id = 'of another'")
    (told,) = await found(badges, "cluster")
    assert (told["level"], "the database belongs to of another" in told["said"]) == ("failure", True)


async def test_postgres_that_may_lose_commits_or_takes_none_is_told(
    badges: Installation, connection: asyncpg.Connection
) -> None:
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    said = " ".join(each["said"] for each in await found(badges, "postgres settings") if each["level"] == "failure")
    assert "synchronous_commit is off" in said
    assert "it takes no writes" in said


async def test_operator_counts_the_connections_of_everybody(
    operator_url: str, connection: asyncpg.Connection, database_url: str
) -> None:
    others = [await asyncpg.connect(database_url) for _ in range(3)]
    operator = Database(operator_url, application="tests")
    try:
        async with operator.reading() as reading:
            counted = (await find_server(reading)).connections
    finally:
        await operator.close()
        for other in others:
            await other.close()
    assert counted >= len([connection, *others]) + 1


async def test_relay_is_told_by_its_name_where_its_address_is_hidden(worker: Installation, operator_url: str) -> None:
    (seen,) = await found(worker, "relay")
    assert seen["said"].startswith("badges-award-worker-relay at 127.0.0.1 leads")
    (told,) = await found(worker, "relay", BADGES_DATABASE_URL=operator_url)
    assert told["said"].startswith("badges-award-worker-relay (address unknown) leads")
    lag = await badgectl(worker, "lag", environment={"BADGES_DATABASE_URL": operator_url})
    assert "badges-award-worker-relay (address unknown)" in lag.out


async def test_relay_that_publishes_while_the_watermark_is_compared_is_well(
    database: Database, connection: asyncpg.Connection
) -> None:
    async def find_relay() -> RelayLag:
        async with database.reading() as reading:
            return await find_relay_lag(reading)

    async def publish_and_read() -> int:
        number: int = await connection.fetchval("SELECT nextval('outbox_emit_seq')")
        await connection.execute("UPDATE relay_state SET emit_seq = $1", number)
        return number

    for number in (1, 2):
        (finding,) = await look_at_watermark(find_relay, publish_and_read)
        told = f"Kafka {number}, Postgres {number - 1}, highest number given {number}"
        assert (finding.level, finding.said) == ("ok", told)


@pytest.mark.parametrize(("seconds", "level"), [(30, "warning"), (-300, "failure")])
async def test_clock_of_postgres_that_goes_wrong_is_told(
    badges: Installation, connection: asyncpg.Connection, seconds: int, level: str
) -> None:
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(
        "CREATE SCHEMA wrong; CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
        f" AS $$ SELECT pg_catalog.clock_timestamp() + interval '{seconds} s' $$"
    )
    await connection.execute(f"ALTER DATABASE {name} SET search_path = wrong, pg_catalog, public")
    (told,) = await found(badges, "postgres clock")
    assert told["level"] == level
    assert ("ahead of" if seconds > 0 else "behind") in told["said"]


async def test_work_that_nobody_does_is_told(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    told = (await examined(badges)).json["checks"]
    assert {name: level for name, level in levels(told).items() if name in {"workers", "relay", "watermark"}} == {
        "workers": "warning",
        "relay": "warning",
        "watermark": "ok",
    }
    await publish(badges.kafka, award_request(tenant_id=demo.id))
    await connection.execute(
        "INSERT INTO outbox (emit_seq, payload, message_count, created_at) VALUES (7, '', 1, now() - interval '1 hour')"
    )
    await connection.execute("UPDATE relay_state SET emit_seq = 6")
    told = (await examined(badges)).json["checks"]
    said = {each["check"]: (each["level"], each["said"]) for each in told}
    assert said["workers"] == ("failure", "none runs, and 1 requests wait")
    assert said["relay"][0] == "failure"
    assert said["relay"][1].startswith("no relay leads; 1 events wait in the outbox, the oldest for 36")
    assert (said["watermark"][0], "Kafka none, Postgres 6" in said["watermark"][1]) == ("failure", True)


async def test_settings_that_nobody_reads_or_that_are_wrong_are_told(badges: Installation) -> None:
    told = await found(
        badges,
        "settings",
        BADGES_API_AWARD_PER_MINUTE="5",
        BADGES_WORKER_BATCH_SIZE="many",
        BADGES_KAFKA_PREFIXX="x",
    )
    said = {each["said"]: (each["level"], each["remedy"]) for each in told}
    assert said["BADGES_API_AWARD_PER_MINUTE is set, and nothing reads it"] == (
        "warning",
        "is BADGES_API_AWARDS_PER_MINUTE meant?",
    )
    assert said["BADGES_KAFKA_PREFIXX is set, and nothing reads it"] == ("warning", "is BADGES_KAFKA_PREFIX meant?")
    (wrong,) = [text for text, (level, _) in said.items() if level == "failure"]
    assert wrong.startswith("BADGES_WORKER_BATCH_SIZE: Input should be a valid integer")


async def test_settings_of_the_log_are_known_and_judged(badges: Installation) -> None:
    (right,) = await found(badges, "settings", BADGES_LOG_FORMAT="json")
    assert right["level"] == "ok"
    told = await found(badges, "settings", BADGES_LOG_FROMAT="json", BADGES_LOG_HASH_KEY="too short")
    said = {each["said"].partition(":")[0]: (each["level"], each["remedy"]) for each in told}
    assert said["BADGES_LOG_FROMAT is set, and nothing reads it"] == ("warning", "is BADGES_LOG_FORMAT meant?")
    assert said["BADGES_LOG_HASH_KEY"][0] == "failure"
    assert "too short" not in str(told)


async def test_gateway_that_is_not_ready_says_which_of_its_checks_fails(
    badges: Installation, connection: asyncpg.Connection
) -> None:
    gateway = await badges.gateway().ready()
    await connection.execute("DELETE FROM alembic_version")
    (told,) = await found(badges, "processes", BADGES_URL=f"{gateway.url}/")
    assert (told["level"], told["said"]) == ("failure", f"{gateway.url} is not ready: postgres")
    (away,) = await found(badges, "processes", BADGES_URL=f"http://{NOWHERE}")
    assert (away["level"], "does not answer" in away["said"]) == ("failure", True)

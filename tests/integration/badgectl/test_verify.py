"""`badgectl verify` on the real Kafka and Postgres: what differs is found, what does not is not."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
from aiokafka import ConsumerRecord

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.clients import create_producer, stop_producer
from messaging.event_log import EventLog
from messaging.outbox_payload import OutboxMessage, hash_of_key
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import header, read_topic
from operator_commands import badgectl, begin, ended
from processes import Installation
from trimming import delete_records

AWARDS = 20

INSERT = """
    INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)
    SELECT tenant_id, $2, id, now(), 'by hand', '/tests' FROM badges WHERE tenant_id = $1 AND code = 'power_user'
"""


async def awarded(worker: Installation, demo: DemoTenant, count: int = AWARDS) -> Sequence[ConsumerRecord]:
    """Make awards in the proper way; return their events."""
    await publish(worker.kafka, *(award_request(tenant_id=demo.id, participant_id=f"user_{n}") for n in range(count)))
    return await events(worker, count)


async def events(worker: Installation, count: int) -> Sequence[ConsumerRecord]:
    return await read_topic(worker.kafka, topics_of(worker.kafka).badge_awarded, at_least=count)


async def send(kafka: KafkaSettings, event: ConsumerRecord, **changes: object) -> None:
    """Publish an event by hand, as it is or changed."""
    producer = create_producer(kafka)
    await producer.start()
    fields = {"key": event.key, "value": event.value, "headers": list(event.headers)} | changes
    try:
        await producer.send_and_wait(topics_of(kafka).badge_awarded, **fields)
    finally:
        await stop_producer(producer)


async def test_awards_with_their_events_are_well(worker: Installation, demo: DemoTenant) -> None:
    await awarded(worker, demo)
    verified = await badgectl(worker, "verify", "--json")
    assert verified.code == 0, verified.err
    assert verified.json["ok"] is True
    assert verified.json["events"] == AWARDS
    assert {kind: verified.json[kind]["count"] for kind in ("missing", "doubled", "foreign", "unreadable")} == {
        "missing": 0,
        "doubled": 0,
        "foreign": 0,
        "unreadable": 0,
    }
    assert "all is well" in (await badgectl(worker, "verify", "--tenant", demo.id)).out


async def test_missing_event_is_found_and_repaired_with_the_id_it_always_has(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await awarded(worker, demo)
    for participant in ("lost\x07", "lost too"):
        await connection.execute(INSERT, UUID(demo.id), participant)

    verified = await badgectl(worker, "verify", "--json")
    assert (verified.code, verified.json["missing"]["count"]) == (1, 2)
    assert [example["participant_id"] for example in verified.json["missing"]["examples"]] == ["lost\x07", "lost too"]
    told = await badgectl(worker, "verify")
    assert (told.code, "\x07" in told.out, "2 missing" in told.out) == (1, False, True)
    other = await badgectl(worker, "verify", "--tenant", demo.test_id)
    assert other.code == 0

    refused = await badgectl(worker, "verify", "--repair", "--json", typed="n\n")
    assert (refused.code, refused.json["repaired"]) == (1, 0)
    assert refused.err.index("2 missing: an award without an event") < refused.err.index("Publish 2 missing events?")
    repaired = await badgectl(worker, "verify", "--repair", "--yes", "--json")
    assert (repaired.code, repaired.json["repaired"], repaired.json["pending"]) == (0, 2, 0)
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0

    found = await events(worker, AWARDS + 2)
    new = {header(event, "ce_id") for event in found if header(event, "ce_subject") in {"lost\x07", "lost too"}}
    assert new == {example["event_id"] for example in verified.json["missing"]["examples"]}
    again = await badgectl(worker, "verify", "--repair", "--yes", "--json")
    assert (again.code, again.json["repaired"], again.json["events"]) == (0, 0, AWARDS + 2)


async def test_doubled_foreign_and_unreadable_events_are_found(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    first, second, third, *_ = await awarded(worker, demo)
    await send(worker.kafka, first)
    await send(worker.kafka, second, headers=[*second.headers, ("ce_replay", b"true")])
    await send(worker.kafka, third, value=third.value.replace(demo.id.encode(), str(uuid4()).encode()))
    await send(worker.kafka, third, value=b"{")
    await send(worker.kafka, third, headers=[])
    await send(worker.kafka, third, value=third.value.replace(b"user_", b"\\u0000_"))

    verified = await badgectl(worker, "verify", "--json")

    assert verified.code == 1
    assert verified.json["doubled"]["count"] == 1
    assert verified.json["doubled"]["examples"][0]["event_id"] == header(first, "ce_id")
    assert verified.json["doubled"]["examples"][0]["events"] == 2
    assert (verified.json["foreign"]["count"], verified.json["unreadable"]["count"]) == (1, 3)
    assert (verified.json["missing"]["count"], verified.json["replays"]) == (0, 1)
    assert "not all is well" in (await badgectl(worker, "verify")).out

    await connection.execute("DELETE FROM awards WHERE participant_id = $1", header(second, "ce_subject"))
    deleted = await badgectl(worker, "verify", "--json", "--tenant", demo.id)
    assert (deleted.json["foreign"]["count"], deleted.json["unreadable"]["count"]) == (1, 0)


async def test_award_of_which_only_a_replay_is_there_misses_its_event(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await awarded(worker, demo, 1)
    await connection.execute(INSERT, UUID(demo.id), "lost")
    assert (await badgectl(worker, "replay", "--participant", "lost", "--yes")).code == 0
    verified = await badgectl(worker, "verify", "--json")
    assert (verified.json["missing"]["count"], verified.json["missing_but_replayed"]) == (1, 1)


async def test_event_in_the_outbox_is_not_missing(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await publish(badges.kafka, *(award_request(tenant_id=demo.id, participant_id=f"u{n}") for n in range(3)))
    worker = await badges.worker().ready()
    await events(badges, 3)
    worker.stop()
    await connection.execute(INSERT, UUID(demo.id), "lost")

    repaired = await badgectl(badges, "verify", "--repair", "--yes", "--json", "--patience", "1")
    assert (repaired.code, repaired.json["ok"], repaired.json["repaired"], repaired.json["pending"]) == (1, False, 1, 1)
    assert "1 events are still in the outbox: no relay publishes them" in repaired.err
    waiting = await badgectl(badges, "verify", "--json")
    assert (waiting.code, waiting.json["in_outbox"], waiting.json["events"]) == (0, 1, 3)


async def test_events_that_were_deleted_are_published_again_only_when_asked_for_by_name(
    worker: Installation, demo: DemoTenant
) -> None:
    await awarded(worker, demo)
    topic = topics_of(worker.kafka).badge_awarded
    gone = next(event for event in await events(worker, AWARDS))
    await delete_records(worker.kafka, topic, before={gone.partition: 2})
    left = len(await events(worker, 1))
    assert left < AWARDS

    refused = await badgectl(worker, "verify", "--repair", "--yes", "--json")
    assert (refused.code, refused.json["missing"]["count"], refused.json["repaired"]) == (1, AWARDS - left, 0)
    assert refused.json["first_offsets"] == {str(gone.partition): 2}
    assert "--despite-trimmed" in refused.err
    told = await badgectl(worker, "verify", "--repair", "--yes")
    assert (told.code, "begins at offset 2: events before are gone" in told.out) == (1, True)

    done = await badgectl(worker, "verify", "--repair", "--yes", "--json", "--despite-trimmed")
    assert (done.code, done.json["repaired"], done.json["pending"]) == (0, AWARDS - left, 0)
    assert len(await events(worker, AWARDS)) == AWARDS


async def test_nothing_is_repaired_before_the_database_knows_its_cluster(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await connection.execute(INSERT, UUID(demo.id), "lost")
    assert (await badgectl(badges, "verify", "--json")).json["missing"]["count"] == 1
    refused = await badgectl(badges, "verify", "--repair", "--yes")
    assert (refused.code, "does not know its Kafka cluster yet" in refused.err) == (1, True)
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    assert await connection.fetchval("SELECT cluster_id FROM relay_state") is None


async def test_verification_of_a_service_at_work_finds_nothing_wrong(
    worker: Installation, demo: DemoTenant, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("participant_id,badge_code\n" + "".join(f"user_{n},power_user\n" for n in range(30_000)))
    importing = await begin(worker, "import", str(file), "--tenant", demo.id, "--json")
    verified = []
    while importing.returncode is None:
        verified.append(await badgectl(worker, "verify", "--json"))
        await asyncio.sleep(0)
    done = await ended(importing)
    assert (done.code, done.json["awarded"]) == (0, 30_000), done.err
    last = await badgectl(worker, "verify", "--json")
    for one in (*verified, last):
        assert one.code == 0, one.out
    assert any(0 < one.json["events"] < 30_000 for one in verified)
    assert last.json["events"] + last.json["in_outbox"] == 30_000


async def test_open_transaction_is_waited_for(worker: Installation, demo: DemoTenant) -> None:
    """What is behind it may hold events of awards: nothing can be said before it ends."""
    await awarded(worker, demo, 1)
    other = EventLog(worker.kafka.model_copy(update={"prefix": f"{worker.kafka.prefix}other_"}))
    await other.start()
    message = OutboxMessage(
        topic=topics_of(worker.kafka).badge_awarded, partition_hash=hash_of_key(b"k"), key=b"k", value=b"{}", headers=()
    )
    await other._producer.begin_transaction()
    await other._send([message])
    verifying = await begin(worker, "verify", "--json")
    await asyncio.sleep(4)
    assert verifying.returncode is None
    await other._producer.abort_transaction()
    done = await ended(verifying)
    assert (done.code, done.json["unreadable"]["count"]) == (0, 0), done.err
    await other.close()

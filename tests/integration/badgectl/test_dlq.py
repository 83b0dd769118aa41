"""`badgectl dlq` on a real worker: what was rejected is found, shown, and decided again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import ConsumerRecord

from builders import NOON, award_request
from devstack.seed import DemoTenant
from messaging.award_requested import encode_request
from messaging.clients import create_producer, stop_producer
from messaging.outbox_payload import hash_of_key
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import header, read_topic
from operator_commands import badgectl, begin, ended
from processes import Installation

Headers = Sequence[tuple[str, bytes | None]]

UNREADABLE = b"\xff\xfe\x00"
TYPED = [("ce_type", b"badges.award.requested.v1")]


async def put(kafka: KafkaSettings, *records: dict[str, Any]) -> None:
    """Publish records as somebody else's producer does."""
    producer = create_producer(kafka)
    await producer.start()
    try:
        topic = topics_of(kafka).award_requests
        count = len(await producer.partitions_for(topic))
        for record in records:
            batch = producer.create_batch()
            batch.append(**{"timestamp": None, "headers": [], **record})
            batch.close()
            partition = hash_of_key(record["key"]) % count if record["key"] else 0
            await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await stop_producer(producer)


def asking(tenant: DemoTenant, code: str, **changes: Any) -> dict[str, Any]:
    """A record that asks for the badge."""
    key, value, headers = encode_request(award_request(tenant_id=tenant.id, badge_code=code, **changes))
    return {"key": key, "value": value, "headers": list(headers)}


async def rejections(connection: asyncpg.Connection, count: int) -> Sequence[asyncpg.Record]:
    """The rejected requests, once there are so many."""
    async with asyncio.timeout(20):
        while await connection.fetchval("SELECT count(*) FROM rejected_requests") < count:
            await asyncio.sleep(0.05)
    rows: Sequence[asyncpg.Record] = await connection.fetch("SELECT * FROM rejected_requests")
    return rows


async def letters(place: Installation, count: int) -> Sequence[ConsumerRecord]:
    return await read_topic(place.kafka, topics_of(place.kafka).award_requests_dlq, at_least=count, settle=0.5)


def id_of(row: asyncpg.Record) -> str:
    return f"{row['topic']}-{row['partition']}-{row['offset']}"


async def define(connection: asyncpg.Connection, tenant: DemoTenant, code: str) -> None:
    await connection.execute(
        "INSERT INTO badges (id, tenant_id, code, name) VALUES ($1, $2, $3, 'Late')", uuid4(), UUID(tenant.id), code
    )


async def test_rejected_requests_are_listed_newest_first_with_a_summary(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await put(worker.kafka, *(asking(demo, "late", participant_id=f"u{n}") for n in range(3)))
    await rejections(connection, 3)
    await put(worker.kafka, {"key": None, "value": UNREADABLE, "headers": TYPED})
    await rejections(connection, 4)
    slug = await connection.fetchval("SELECT slug FROM tenants WHERE id = $1", UUID(demo.id))

    listed = (await badgectl(worker, "dlq", "list", "--json")).json
    assert [row["reason"] for row in listed["rejected"]] == ["not_utf8", *["badge_not_found"] * 3]
    assert {line["reason"]: line["requests"] for line in listed["summary"]} == {"badge_not_found": 3, "not_utf8": 1}

    for option, expected in (
        (("--reason", "not_utf8"), 1),
        (("--tenant", slug), 3),
        (("--tenant", demo.id), 3),
        (("--tenant", str(uuid4())), 0),
        (("--since", "1h"), 4),
        (("--until", "1h"), 0),
        (("--limit", "2"), 2),
    ):
        some = (await badgectl(worker, "dlq", "list", "--json", *option)).json
        assert len(some["rejected"]) == expected, option

    shown = await badgectl(worker, "dlq", "list", "--limit", "1")
    assert "and 3 older ones" in shown.out
    assert max(len(line) for line in shown.out.splitlines()) <= 80
    assert "no tenant 'nobody'" in (await badgectl(worker, "dlq", "list", "--tenant", "nobody")).err
    assert "--since must be" in (await badgectl(worker, "dlq", "list", "--since", "yesterday")).err


async def test_one_request_is_shown_with_its_dead_letter_whatever_is_in_it(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await put(
        worker.kafka,
        {"key": b"\xfe", "value": UNREADABLE, "headers": [*TYPED, ("odd", b"\xff"), ("escape", b"\x1b[31m")]},
        asking(demo, "late", participant_id="\u00fc"),
    )
    unreadable, unknown = sorted(await rejections(connection, 2), key=lambda row: row["reason"], reverse=True)

    shown = (await badgectl(worker, "dlq", "show", id_of(unreadable), "--json")).json
    assert shown["reason"] == "not_utf8"
    assert shown["dead_letter"] == {
        "key_base64": "/g==",
        "headers": [
            {"name": "ce_type", "value": "badges.award.requested.v1"},
            {"name": "odd", "value_base64": "/w=="},
            {"name": "escape", "value": "\x1b[31m"},
        ],
        "value_base64": "//4A",
        "redrive_count": 0,
    }
    told = await badgectl(worker, "dlq", "show", id_of(unreadable))
    assert "value:   0xfffe00 (3 bytes)" in told.out
    assert "\x1b" not in told.out
    told = await badgectl(worker, "dlq", "show", id_of(unknown))
    assert f"key:     {demo.id}:\u00fc" in told.out
    assert '"badge_code":"late"' in told.out

    for wrong in ("award_requests-0-99999", "nonsense", "t-0-x", "t-99999999999-0"):
        refused = await badgectl(worker, "dlq", "show", wrong)
        assert (refused.code, refused.out) == (1, ""), wrong
        assert "error:" in refused.err


async def test_redriven_request_earns_its_award_with_its_own_id_and_date(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    asked = asking(demo, "late", request_id="r-1")
    asked["headers"] += [("reply_partition", b"3"), ("mine", b"\xff"), ("none", None)]
    plain = {**asking(demo, "late", participant_id="plain"), "timestamp": int(NOON.timestamp() * 1000)}
    plain["headers"] = TYPED
    plain["value"] = plain["value"].replace(b',"earned_at":"2026-02-14T12:00:00Z"', b"")
    await put(worker.kafka, asked, plain)
    await rejections(connection, 2)
    await define(connection, demo, "late")

    rehearsed = await badgectl(worker, "dlq", "redrive", "--dry-run", "--json")
    assert (rehearsed.code, rehearsed.json["published"], rehearsed.json["dry_run"]) == (0, 2, True)
    assert await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests") == 0
    refused = await badgectl(worker, "dlq", "redrive", typed="n\n")
    assert (refused.code, "Publish up to 2 requests again?" in refused.err) == (1, True)
    assert await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests") == 0

    done = await badgectl(worker, "dlq", "redrive", "--yes", "--json")
    assert (done.code, done.json["published"], done.json["complete"]) == (0, 2, True), done.err
    assert done.json["published_by_reason"] == {"badge_not_found": 2}

    requests = await read_topic(worker.kafka, topics_of(worker.kafka).award_requests, at_least=4)
    (again,) = [r for r in requests if header(r, "redrive_count") and header(r, "ce_id")]
    first = next(r for r in requests if header(r, "ce_id") and not header(r, "redrive_count"))
    assert (again.key, again.value, again.partition) == (first.key, first.value, first.partition)
    assert again.timestamp == first.timestamp
    assert again.headers == (*[h for h in first.headers if h[0] != "reply_partition"], ("redrive_count", b"1"))

    events = await read_topic(worker.kafka, topics_of(worker.kafka).badge_awarded, at_least=2, settle=0.5)
    assert {header(event, "ce_time") for event in events} == {"2026-02-14T12:00:00Z"}
    earned = await connection.fetch("SELECT request_id, earned_at FROM awards")
    assert "r-1" in {award["request_id"] for award in earned}
    assert {award["earned_at"] for award in earned} == {NOON}
    assert await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests") == 2

    nothing = await badgectl(worker, "dlq", "redrive", "--yes", "--json")
    assert (nothing.code, nothing.json["published"]) == (0, 0)


async def test_request_is_rejected_anew_and_its_tries_are_counted_up_to_a_limit(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await put(worker.kafka, asking(demo, "late"))
    for tries in (1, 2):
        await rejections(connection, tries)
        await letters(worker, tries)
        done = (await badgectl(worker, "dlq", "redrive", "--yes", "--json", "--most-tries", "2")).json
        assert (done["published"], done["tried_too_often"]) == (1, 0)
        await rejections(connection, tries + 1)
    counts = [header(letter, "redrive_count") for letter in await letters(worker, 3)]
    assert counts == [None, "1", "2"]

    refused = await badgectl(worker, "dlq", "redrive", "--yes", "--json", "--most-tries", "2")
    assert (refused.code, refused.json["published"], refused.json["tried_too_often"]) == (1, 0, 1)
    again = (await badgectl(worker, "dlq", "redrive", "--yes", "--json", "--most-tries", "2", "--again")).json
    assert (again["published"], again["tried_too_often"]) == (2, 1)


async def test_only_what_is_asked_for_is_redriven(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    worker = await badges.worker().ready()
    await put(badges.kafka, *(asking(demo, "late", participant_id=f"u{n}") for n in range(5)))
    await put(badges.kafka, {"key": b"k", "value": UNREADABLE, "headers": TYPED}, {"key": None, "value": None})
    rows = await rejections(connection, 7)
    await letters(badges, 7)
    worker.stop()
    one = next(row for row in rows if row["reason"] == "badge_not_found")

    by_id = (await badgectl(badges, "dlq", "redrive", id_of(one), "--yes", "--json")).json
    assert (by_id["published"], by_id["complete"]) == (1, True)
    limited = (
        await badgectl(badges, "dlq", "redrive", "--limit", "2", "--reason", "badge_not_found", "-y", "--json")
    ).json
    assert limited["published"] == 2
    assert await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests") == 3
    rest = (await badgectl(badges, "dlq", "redrive", "--yes", "--json", "--rate", "3")).json
    assert rest["published_by_reason"] == {"badge_not_found": 2, "malformed_json": 1, "not_utf8": 1}

    redriven = await connection.fetchval("SELECT max(rejected_at) FROM rejected_requests")
    await connection.execute("UPDATE rejected_requests SET redriven_at = NULL")
    await connection.execute("UPDATE rejected_requests SET timestamp_ms = 1 WHERE reason = 'not_utf8'")
    missing = await badgectl(badges, "dlq", "redrive", "--dry-run", "--json")
    assert (missing.code, missing.json["published"], missing.json["letter_not_found"]) == (1, 6, 1)
    until = (redriven + timedelta(seconds=1)).isoformat()
    assert (await badgectl(badges, "dlq", "redrive", "--dry-run", "--json", "--since", until)).json["published"] == 0


async def test_interrupted_redrive_goes_on_where_it_stopped(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    worker = await badges.worker().ready()
    await put(badges.kafka, *(asking(demo, "late", participant_id=f"u{n}") for n in range(40)))
    await rejections(connection, 40)
    await letters(badges, 40)
    worker.stop()

    redriving = await begin(badges, "dlq", "redrive", "--yes", "--rate", "10", "--json")
    async with asyncio.timeout(20):
        while await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests") < 3:
            await asyncio.sleep(0.02)
    redriving.send_signal(2)
    stopped = await ended(redriving)
    assert (stopped.code, stopped.json["complete"]) == (130, False)
    noted = await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests")
    assert noted == stopped.json["published"] < 40

    rest = (await badgectl(badges, "dlq", "redrive", "--yes", "--json")).json
    assert rest["published"] == 40 - noted
    published = await read_topic(badges.kafka, topics_of(badges.kafka).award_requests, at_least=80, settle=0.3)
    assert len(published) == 80


async def test_redriving_waits_for_nobody_and_two_at_once_are_one_too_many(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    worker = await badges.worker().ready()
    await put(badges.kafka, *(asking(demo, "late", participant_id=f"u{n}") for n in range(10)))
    await rejections(connection, 10)
    await letters(badges, 10)
    worker.stop()
    first = await begin(badges, "dlq", "redrive", "--yes", "--rate", "0.5", "--json")
    async with asyncio.timeout(20):
        while await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests") < 1:
            await asyncio.sleep(0.02)
    second = await badgectl(badges, "dlq", "redrive", "--yes", "--json")
    assert (second.code, second.out) == (1, "")
    assert "another `badgectl dlq redrive` is at work" in second.err
    assert (await badgectl(badges, "dlq", "redrive", "--dry-run", "--json")).code == 0
    first.kill()
    await ended(first)

    noted = await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests")
    async with asyncio.timeout(10):
        while (rest := await badgectl(badges, "dlq", "redrive", "--yes", "--json")).code:
            await asyncio.sleep(0.1)  # Postgres has yet to see that the first is gone
    assert rest.json["published"] == 10 - noted


async def test_letters_of_requests_that_are_no_longer_kept_are_counted(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    worker = await badges.worker().ready()
    await put(badges.kafka, *(asking(demo, "late", participant_id=f"u{n}") for n in range(3)))
    await put(badges.kafka, {"key": b"k", "value": UNREADABLE, "headers": TYPED})
    rows = await rejections(connection, 4)
    await letters(badges, 4)
    worker.stop()
    await connection.execute("DELETE FROM rejected_requests WHERE reason = 'not_utf8' OR participant_id <> 'u0'")

    for options, published, trimmed in (
        ((), 1, 3),
        (("--reason", "not_utf8"), 0, 1),
        (("--tenant", demo.id), 1, 2),
        (("--tenant", demo.test_id), 0, 0),
        (("--until", "1h"), 0, 0),
    ):
        counted = await badgectl(badges, "dlq", "redrive", "--dry-run", "--json", *options)
        assert (counted.code, counted.json["published"], counted.json["no_longer_kept"]) == (0, published, trimmed), (
            options
        )

    gone = id_of(next(row for row in rows if row["reason"] == "not_utf8"))
    kept = id_of(next(row for row in rows if row["participant_id"] == "u0"))
    named = await badgectl(badges, "dlq", "redrive", "--yes", "--json", gone, kept)
    assert (named.code, named.json["published"], named.json["unknown_ids"]) == (1, 1, [gone])
    told = await badgectl(badges, "dlq", "redrive", "--yes")
    assert (told.code, "3 older than the rejected requests that are kept" in told.out) == (0, True)


async def test_list_does_not_wait_for_the_full_count_which_may_take_long(
    badges: Installation, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        'INSERT INTO rejected_requests (topic, partition, "offset", timestamp_ms, reason, detail, rejected_at)'
        " SELECT 't', 0, n, 0, 'not_utf8', '', now() - n * interval '1 second' FROM generate_series(1, 3000) AS n"
    )
    await connection.execute("ALTER TABLE rejected_requests RENAME TO kept")
    await connection.execute("ANALYZE kept")
    # Each row that is read takes so long.
    await connection.execute("CREATE VIEW rejected_requests AS SELECT * FROM kept WHERE pg_sleep(0.004) IS NOT NULL")
    listing = await begin(badges, "dlq", "list", "--limit", "1")
    assert listing.stdout is not None
    began = monotonic()
    assert (await listing.stdout.readline()).startswith(b"t-0-1 ")
    listed_at = monotonic()
    done = await ended(listing)
    assert (done.code, "and 2,999 older ones" in done.out) == (0, True), done.err
    assert listed_at - began < 10 < monotonic() - listed_at

"""`badgectl dlq redrive` on a real worker: what was rejected is decided again."""

import asyncio
from datetime import timedelta

import asyncpg

from builders import NOON
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import header, read_topic
from operator_commands import badgectl, begin, ended
from processes import Installation
from rejected_records import TYPED, UNREADABLE, asking, define, id_of, letters, put, rejections


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

    latest = await connection.fetchval("SELECT max(rejected_at) FROM rejected_requests")
    await connection.execute("UPDATE rejected_requests SET redriven_at = NULL")
    await connection.execute("UPDATE rejected_requests SET timestamp_ms = 1 WHERE reason = 'not_utf8'")
    missing = await badgectl(badges, "dlq", "redrive", "--dry-run", "--json")
    assert (missing.code, missing.json["published"], missing.json["letter_not_found"]) == (1, 6, 1)
    until = (latest + timedelta(seconds=1)).isoformat()
    assert (await badgectl(badges, "dlq", "redrive", "--dry-run", "--json", "--since", until)).json["published"] == 0


async def reject(place: Installation, connection: asyncpg.Connection, demo: DemoTenant, *, count: int) -> None:
    """Have so many requests rejected, and stop the worker that did it."""
    worker = await place.worker().ready()
    await put(place.kafka, *(asking(demo, "late", participant_id=f"u{n}") for n in range(count)))
    await rejections(connection, count)
    await letters(place, count)
    worker.stop()


async def redriven(connection: asyncpg.Connection, count: int) -> None:
    """Return once so many are noted as redriven."""
    async with asyncio.timeout(20):
        while await connection.fetchval("SELECT count(redriven_at) FROM rejected_requests") < count:
            await asyncio.sleep(0.02)


async def test_interrupted_redrive_goes_on_where_it_stopped(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await reject(badges, connection, demo, count=40)

    redriving = await begin(badges, "dlq", "redrive", "--yes", "--rate", "10", "--json")
    await redriven(connection, 3)
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
    await reject(badges, connection, demo, count=10)
    first = await begin(badges, "dlq", "redrive", "--yes", "--rate", "0.5", "--json")
    await redriven(connection, 1)
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
        (("--badge", "late"), 1, 2),
        (("--badge", "lat", "--badge", "u1"), 0, 0),
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

"""`badgectl dlq list` and `show` on a real worker: what was rejected is found and shown."""

from time import monotonic
from uuid import UUID, uuid4

import asyncpg

from devstack.seed import DemoTenant
from operator_commands import badgectl, begin, ended
from processes import Installation
from rejected_records import TYPED, UNREADABLE, asking, id_of, put, rejections


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
        (("--badge", "late"), 3),
        (("--badge", "late", "--badge", "other", "--tenant", slug), 3),
        (("--badge", "lat"), 0),
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
    assert "--badge must have 1 to 50 characters" in (await badgectl(worker, "dlq", "list", "--badge", "")).err
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

"""`badgectl replay` on the real Kafka: the same events once more, marked."""

import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from builders import award_request, publish
from devstack.seed import DemoTenant
from domain.awards import Award
from messaging.topics import topics_of
from observers import header, read_topic
from operator_commands import badgectl, begin, ended
from processes import Installation
from storage.award_export import ROWS_PER_PAGE, AwardFilter, count_awards, read_awards
from storage.database import Database

FILL = """
    INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, recorded_at, request_id, source)
    SELECT b.tenant_id, 'user_' || n, b.id, now(), now() - n * interval '1 hour', 'r', '/tests'
    FROM badges AS b, generate_series(1, $1) AS n WHERE b.code = 'power_user'
"""


async def events(place: Installation, count: int, topic: str | None = None) -> Sequence[ConsumerRecord]:
    return await read_topic(
        place.kafka, topic or topics_of(place.kafka).badge_awarded, at_least=count, settle=0.5 if count else 1
    )


async def new_topic(place: Installation, name: str) -> str:
    admin = AIOKafkaAdminClient(**place.kafka.connection())
    await admin.start()
    await admin.create_topics([NewTopic(f"{place.kafka.prefix}{name}", 4, 1)])
    await admin.close()
    return f"{place.kafka.prefix}{name}"


async def test_replayed_event_is_the_first_one_with_a_mark(worker: Installation, demo: DemoTenant) -> None:
    metadata = {"trigger": "ü", "n": [1, 2.5, None]}
    requests = [award_request(tenant_id=demo.id, participant_id=f"ü{n}", metadata=metadata) for n in range(5)]
    await publish(worker.kafka, *requests)
    first = {header(event, "ce_id"): event for event in await events(worker, 5)}

    rehearsed = await badgectl(worker, "replay", "--dry-run", "--json")
    assert (rehearsed.code, rehearsed.json["awards"], rehearsed.json["published"]) == (0, 5, 0)
    refused = await badgectl(worker, "replay", typed="n\n")
    assert (refused.code, "Publish 5 events" in refused.err) == (1, True)
    assert len(await events(worker, 5)) == 5

    done = await badgectl(worker, "replay", "--yes", "--json")
    assert (done.code, done.json["published"], done.json["complete"]) == (0, 5, True), done.err
    again = [event for event in await events(worker, 10) if header(event, "ce_replay")]
    assert len(again) == 5
    for event in again:
        told = first[header(event, "ce_id")]
        assert (event.key, event.partition) == (told.key, told.partition)
        assert json.loads(event.value) == json.loads(told.value)
        assert event.headers == (*told.headers, ("ce_replay", b"true"))


async def test_only_awards_that_are_asked_for_are_replayed(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await connection.execute(FILL, 30)
    slug = await connection.fetchval("SELECT slug FROM tenants WHERE id = $1", UUID(demo.id))
    for options, expected in (
        ((), 60),
        (("--tenant", slug), 60),
        (("--tenant", demo.test_id), 30),
        (("--tenant", str(uuid4())), 0),
        (("--badge", "power_user"), 60),
        (("--badge", "night_owl"), 0),
        (("--participant", "user_7"), 2),
        (("--participant", "user_7", "--tenant", demo.id), 1),
        (("--since", "37800s"), 20),
        (("--until", "10h", "--tenant", demo.id), 21),
    ):
        counted = await badgectl(badges, "replay", "--dry-run", "--json", *options)
        assert counted.json["awards"] == expected, options
    topic = await new_topic(badges, "elsewhere")
    done = await badgectl(badges, "replay", "--participant", "user_7", "--to", topic, "--yes", "--json")
    assert (done.code, done.json["topic"]) == (0, topic)
    assert {header(event, "ce_subject") for event in await events(badges, 2, topic)} == {"user_7"}
    assert await events(badges, 0) == []


async def test_what_cannot_be_replayed_is_said(badges: Installation, connection: asyncpg.Connection) -> None:
    await connection.execute(FILL, 1)
    for options, message in (
        (("--to", "nowhere"), "no topic 'nowhere'"),
        (("--to", topics_of(badges.kafka).award_requests), "is a topic of the service itself"),
        (("--tenant", "nobody"), "no tenant 'nobody'"),
        (("--after", "here"), "--after takes"),
        (("--since", "2"), "--since must be"),
        (("--participant", "\udcff"), "--participant must not contain"),
    ):
        refused = await badgectl(badges, "replay", "--yes", *options)
        assert (refused.code, message in refused.err) == (1, True), refused.err


async def test_interrupted_replay_says_how_to_go_on(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    await connection.execute(FILL, 60)
    options = ("replay", "--tenant", demo.id, "--yes", "--json")
    replaying = await begin(badges, *options, "--rate", "12")
    await events(badges, 7)
    replaying.send_signal(2)
    stopped = await ended(replaying)
    assert (stopped.code, stopped.json["complete"]) == (130, False)
    published = stopped.json["published"]
    assert 7 <= published < 60

    rest = await badgectl(badges, *options, "--after", stopped.json["after"])
    assert (rest.code, rest.json["published"]) == (0, 60 - published)
    everything = await events(badges, 60)
    assert len({header(event, "ce_id") for event in everything}) == len(everything) == 60


async def test_pages_hold_every_wanted_award_once_and_in_order(
    database: Database, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    rows = ROWS_PER_PAGE + 10
    await connection.execute(FILL, rows)
    everything = AwardFilter(badge_code="power_user")
    pages = [page async for page in read_awards(database, everything)]
    keys = [award.key for page in pages for award, _ in page.awards]
    assert len(keys) == await count_awards(database, everything) == 2 * rows
    assert keys == sorted(set(keys), key=lambda key: (key[0], key[1].encode(), key[2]))
    assert max(len(page.awards) for page in pages) == ROWS_PER_PAGE

    middle = keys[rows + 5]
    assert await count_awards(database, everything, after=middle) == rows - 6
    rest = [award.key async for page in read_awards(database, everything, after=middle) for award, _ in page.awards]
    assert rest == keys[rows + 6 :]

    rare = replace(everything, tenant_ids=[UUID(demo.id)], participant_id="user_1999")
    found: list[Award] = [award async for page in read_awards(database, rare) for award, _ in page.awards]
    assert [award.participant_id for award in found] == ["user_1999"]
    none = AwardFilter(badge_code="no_such_badge")
    looked = [page async for page in read_awards(database, none)]
    assert ([page.awards for page in looked], await count_awards(database, none)) == ([[]] * 4, 0)

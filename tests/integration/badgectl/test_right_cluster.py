"""Commands that read one installation's database and another's Kafka do harm to both."""

from pathlib import Path

import asyncpg
import pytest

from devstack.seed import DemoTenant
from messaging.clients import cluster_id_at
from messaging.topics import topics_of
from observers import read_topic
from operator_commands import badgectl
from processes import Installation


@pytest.mark.parametrize(
    "command",
    [
        ("verify",),
        ("verify", "--repair", "--yes"),
        ("replay", "--yes"),
        ("dlq", "redrive", "--yes"),
        ("dlq", "redrive", "--dry-run"),
        ("import", "FILE", "--tenant", "DEMO"),
    ],
)
async def test_another_cluster_than_the_databases_own_is_refused(
    badges: Installation, connection: asyncpg.Connection, demo: DemoTenant, tmp_path: Path, command: tuple[str, ...]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("participant_id,badge_code\nu1,power_user\n")
    await connection.execute("UPDATE relay_state SET cluster_id = 'of another'")
    await connection.execute(
        "INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)"
        " SELECT tenant_id, 'u', id, now(), 'r', '/tests' FROM badges"
    )
    given = {"FILE": str(rows), "DEMO": demo.id}

    refused = await badgectl(badges, *(given.get(word, word) for word in command))

    assert refused.code == 1
    told = " ".join(refused.err.split())
    assert f"this is the Kafka cluster {await cluster_id_at(badges.kafka)}, the database belongs to of another" in told
    topics = topics_of(badges.kafka)
    for topic in (topics.badge_awarded, topics.award_requests):
        assert await read_topic(badges.kafka, topic) == []
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0

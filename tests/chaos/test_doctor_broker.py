"""`badgectl doctor` on a broker of its own, whose settings or release are not as they have to be."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from operator_commands import run_badgectl
from servers import KafkaProcess

UNSAFE_LOCK = Path(__file__).with_name("kafka-4.3.1.lock")
CARELESS = {
    "transaction.max.timeout.ms": "60000",
    "offsets.retention.minutes": "10080",
    "auto.create.topics.enable": "true",
}


async def told(broker: KafkaProcess) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """What the checks say of the broker, by their names; no database is there, and no topic."""
    environment = {"BADGES_KAFKA_BOOTSTRAP": broker.bootstrap, "BADGES_DATABASE_URL": "postgresql://u@127.0.0.1:1/none"}
    await asyncio.to_thread(broker.start)
    try:
        done = await asyncio.to_thread(run_badgectl, "doctor", "--json", environment=environment)
    finally:
        broker.stop()
    checks = done.json["checks"]
    return {name: [each for each in checks if each["check"] == name] for name in {each["check"] for each in checks}}


async def test_careless_settings_of_a_broker_are_told_and_looking_makes_no_topic(tmp_path: Path) -> None:
    found = await told(KafkaProcess(tmp_path, overrides=CARELESS))
    assert [(each["said"].split()[0], each["level"]) for each in found["kafka settings"]] == [
        ("transaction.max.timeout.ms", "failure"),
        ("offsets.retention.minutes", "warning"),
        ("auto.create.topics.enable", "warning"),
    ]
    assert found["topics"][0]["said"].startswith("missing: award_requests, badge_awarded, ")
    assert [each["level"] for each in found["kafka release"]] == ["ok"]


@pytest.mark.other_release
async def test_release_that_loses_transaction_markers_is_told(tmp_path: Path) -> None:
    (found,) = (await told(KafkaProcess(tmp_path, lock=UNSAFE_LOCK)))["kafka release"]
    assert (found["level"], "KAFKA-20734" in found["said"]) == ("failure", True)

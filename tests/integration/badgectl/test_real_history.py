"""The badges of a real community, imported twice. The data lies beside the repository, not in it."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import header, read_topic
from operator_commands import badgectl
from processes import Installation

HISTORY = Path(__file__).parents[3].parent / "shared" / "data" / "martialarts-badges.xml"
ROWS = 15_942
PAIRS = 14_018

HELD = "SELECT a.participant_id, b.name, a.earned_at FROM awards AS a JOIN badges AS b ON b.id = a.badge_id"


def first_dates() -> Mapping[tuple[str, str], datetime]:
    """Each participant and badge, with the earliest date."""
    found: dict[tuple[str, str], datetime] = {}
    for row in ET.parse(HISTORY).getroot():  # noqa: S314 - data of ours, beside the repository
        pair = (row.attrib["UserId"], row.attrib["Name"])
        date = datetime.fromisoformat(row.attrib["Date"]).replace(tzinfo=UTC)
        found[pair] = min(date, found.get(pair, date))
    return found


@pytest.mark.skipif(not HISTORY.exists(), reason="the real history is not beside the repository")
async def test_real_history_imported_twice_is_awarded_once_with_the_first_dates(
    worker: Installation, connection: asyncpg.Connection, demo: DemoTenant
) -> None:
    command = ("import", str(HISTORY), "--create-badges", "--tenant", demo.id, "--json")
    first = await badgectl(worker, *command)
    assert first.code == 0, first.err
    assert (first.json["published"], first.json["awarded"]) == (ROWS, PAIRS)
    expected = first_dates()
    assert len(expected) == PAIRS
    assert {(row[0], row[1]): row[2] for row in await connection.fetch(HELD)} == expected
    again = await badgectl(worker, *command)
    assert (again.code, again.json["awarded"], again.json["already_earned"]) == (0, 0, ROWS)
    events = await read_topic(worker.kafka, topics_of(worker.kafka).badge_awarded, at_least=PAIRS, settle=1)
    assert len({header(event, "ce_id") for event in events}) == len(events) == PAIRS
    assert {(row[0], row[1]): row[2] for row in await connection.fetch(HELD)} == expected

"""The worker's handler as the worker wires it."""

import pytest

from award_worker.handler import AwardHandler
from builders import NOON
from messaging.announcements import KafkaAnnouncements
from messaging.topics import Topics
from received_requests import brake
from storage.database import Database
from storage.ledger import PostgresLedger


@pytest.fixture
def handler(database: Database) -> AwardHandler:
    """With a brake that is never on, and a clock that stands still."""
    return AwardHandler(
        ledger=PostgresLedger(database), announcements=KafkaAnnouncements(Topics()), brake=brake(), clock=lambda: NOON
    )

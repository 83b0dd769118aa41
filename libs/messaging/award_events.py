"""`badges.badge.awarded.v1` as it is read: which award an event tells of, and whether for the first time."""

from functools import lru_cache
from uuid import UUID

from aiokafka import ConsumerRecord

from domain.awards import AwardKey
from domain.errors import DomainError
from domain.limits import unstorable
from messaging.announcements import EVENT_TYPE, REPLAY_HEADER
from messaging.cloud_events import text_headers
from messaging.json_bytes import read_json
from messaging.outbox_payload import OutboxMessage

_uuid = lru_cache(maxsize=4096)(UUID)


def award_told(record: ConsumerRecord | OutboxMessage) -> AwardKey | None:
    """Return the award that an event tells of; None when it is not such an event, or cannot be read."""
    headers = text_headers(record.headers)
    if headers.get("ce_type") != EVENT_TYPE or record.value is None:
        return None
    try:
        data = read_json(record.value)
        if not isinstance(data, dict):
            return None
        tenant_id, participant_id, badge_id = data["tenant_id"], data["participant_id"], data["badge_id"]
        if not isinstance(participant_id, str) or unstorable(participant_id):
            return None
        return _uuid(tenant_id), participant_id, _uuid(badge_id)
    except (DomainError, KeyError, TypeError, ValueError, AttributeError):
        return None


def is_replay(record: ConsumerRecord) -> bool:
    """Whether the event was told before, and is published once more on request."""
    return any(name == REPLAY_HEADER and value == b"true" for name, value in record.headers)

"""What the worker tells the world: `badges.badge.awarded.v1`, and dead letters."""

from datetime import datetime

from domain.awards import DETAIL_LENGTH, Award, RawRecord, Rejected, TraceHeaders, award_event_id, text_of_id
from domain.badges import Badge
from domain.times import format_instant
from messaging.award_requested import request_key
from messaging.cloud_events import binary_headers
from messaging.json_bytes import write_json
from messaging.outbox_payload import OutboxMessage, hash_of_key, pack_message
from messaging.topics import MEBIBYTE, REPLY_BYTES, Topics

EVENT_TYPE = "badges.badge.awarded.v1"
EVENT_SOURCE = "/badges"
REPLAY_HEADER = "ce_replay"
LARGEST_DEAD_LETTER = REPLY_BYTES - MEBIBYTE
"""A topic that was not made by us may let larger records in; the relay must never meet one it cannot send."""

CUT_BYTES = 64 * 1024


class KafkaAnnouncements:
    """Packs messages for the outbox; see `domain.ports.Announcements`."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def badge_awarded(self, award: Award, badge: Badge, trace: TraceHeaders = ()) -> bytes:
        """Pack the event of a new award, with the definition as it is now."""
        message = award_message(self._topics.badge_awarded, award, badge)
        return pack_message(message.with_headers([*message.headers, *trace]) if trace else message)

    def dead_letter(self, record: RawRecord, rejected: Rejected, at: datetime) -> bytes:
        """Pack the record as it came, its headers first, then `dlq_*`; cut where the topic would not take it."""
        position = record.position
        added = {
            "dlq_reason": rejected.reason.value,
            "dlq_detail": rejected.detail[:DETAIL_LENGTH],
            "dlq_topic": position.topic,
            "dlq_partition": str(position.partition),
            "dlq_offset": str(position.offset),
            "dlq_timestamp": str(position.timestamp_ms),
            "dlq_time": format_instant(at),
        }
        size = _size(record)
        if size > LARGEST_DEAD_LETTER:
            record = record._replace(key=_cut(record.key), value=_cut(record.value), headers=())
            added["dlq_cut_from"] = str(size)
        message = OutboxMessage(
            topic=self._topics.award_requests_dlq,
            partition_hash=(position.partition if record.key is None else hash_of_key(record.key)),
            key=record.key,
            value=record.value,
            headers=(
                *record.headers,
                *((name, text.encode(errors="replace")) for name, text in added.items()),
            ),
        )
        return pack_message(message)


def award_message(topic: str, award: Award, badge: Badge) -> OutboxMessage:
    """The event that tells of an award: for one award and definition always the same, byte for byte."""
    key = request_key(award.tenant_id, award.participant_id)
    earned_at = format_instant(award.earned_at)
    return OutboxMessage(
        topic=topic,
        partition_hash=hash_of_key(key),
        key=key,
        value=write_json(_event_data(award, badge, earned_at)),
        headers=binary_headers(
            event_type=EVENT_TYPE,
            event_id=str(award_event_id(award.key)),
            source=EVENT_SOURCE,
            subject=award.participant_id,
            time=earned_at,
        ),
    )


def replayed(message: OutboxMessage) -> OutboxMessage:
    """The same event, marked as told before by the CloudEvents extension `replay`."""
    return message.with_headers([*message.headers, (REPLAY_HEADER, b"true")])


def _size(record: RawRecord) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


def _cut(content: bytes | None) -> bytes | None:
    return None if content is None else content[:CUT_BYTES]


def _event_data(award: Award, badge: Badge, earned_at: str) -> dict[str, object]:
    return {
        "tenant_id": text_of_id(award.tenant_id),
        "participant_id": award.participant_id,
        "badge_id": text_of_id(award.badge_id),
        "badge_code": badge.code,
        "badge_name": badge.name,
        "rarity": badge.rarity.value,
        "icon": badge.icon_url,
        "category": badge.category,
        "earned_at": earned_at,
        "metadata": award.metadata,
        "request_id": award.request_id,
        "source": award.source,
    }

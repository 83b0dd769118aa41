"""`badges.award.requested.v1` on `award_requests`: asks for an award.

Written by gateways, the importer and upstream services; read by the worker.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from domain.awards import (
    AwardRequest,
    LegibleRequest,
    RawRecord,
    ReceivedRequest,
    RejectionReason,
    ReplyAddress,
    RequestRejectedError,
    text_of_id,
)
from domain.errors import InvalidValueError
from domain.json_text import json_type
from domain.limits import (
    BADGE_CODE_LENGTH,
    PARTICIPANT_ID_LENGTH,
    REQUEST_BYTES,
    REQUEST_ID_LENGTH,
    check_metadata,
    check_text,
    unstorable,
)
from domain.times import FUTURE_TOLERANCE, format_instant, parse_instant
from messaging.cloud_events import ReceivedEvent, binary_headers, read_event, text_headers
from messaging.json_bytes import write_json

EVENT_TYPE = "badges.award.requested.v1"
REPLY_PARTITION_HEADER = "reply_partition"
REQUEST_ID_HEADER = "request_id"

_KNOWN_TYPES = frozenset({EVENT_TYPE})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HIGHEST_PARTITION = 2**31 - 1

T = TypeVar("T")


def request_key(tenant_id: UUID, participant_id: str) -> bytes:
    """The record key everywhere: all that concerns one participant stays in order."""
    return f"{text_of_id(tenant_id)}:{participant_id}".encode()


def encode_request(
    request: AwardRequest, reply_to: ReplyAddress | None = None
) -> tuple[bytes, bytes, Sequence[tuple[str, bytes]]]:
    """Return key, value and headers of the record that asks for the award."""
    data: dict[str, object] = {
        "tenant_id": text_of_id(request.tenant_id),
        "participant_id": request.participant_id,
        "badge_code": request.badge_code,
        "earned_at": format_instant(request.earned_at),
    }
    if request.metadata is not None:
        data["metadata"] = request.metadata
    headers = [
        *binary_headers(
            event_type=EVENT_TYPE,
            event_id=request.request_id,
            source=request.source,
            subject=request.participant_id,
            time=format_instant(request.earned_at),
        ),
        (REQUEST_ID_HEADER, request.request_id.encode()),
    ]
    if reply_to is not None:
        headers.append((REPLY_PARTITION_HEADER, str(reply_to.partition).encode()))
    key = request_key(request.tenant_id, request.participant_id)
    return key, write_json(data), headers


def decode_request(record: RawRecord, *, now: datetime) -> ReceivedRequest:
    """Read one record. Never fails: what cannot be read carries the reason as its content."""
    headers = text_headers(record.headers)
    reply_to = _reply_address(headers.get(REPLY_PARTITION_HEADER), headers.get(REQUEST_ID_HEADER))
    request_id = reply_to.request_id if reply_to else None
    event: ReceivedEvent | None = None
    try:
        event = _read_event(record)
        content = _read_request(event, record, request_id, now)
    except RequestRejectedError as error:
        rejection = error
    except InvalidValueError as error:
        rejection = RequestRejectedError(RejectionReason.SCHEMA_VIOLATION, str(error))
    else:
        return ReceivedRequest(record=record, content=content, reply_to=reply_to)
    return ReceivedRequest(record=record, content=rejection, reply_to=reply_to, legible=_legible(event, request_id))


def _read_event(record: RawRecord) -> ReceivedEvent:
    if record.value is not None and len(record.value) > REQUEST_BYTES:
        raise RequestRejectedError(
            RejectionReason.TOO_LARGE,
            f"the value has {len(record.value)} bytes, at most {REQUEST_BYTES} are allowed",
        )
    return read_event(record, known_types=_KNOWN_TYPES)


def _read_request(event: ReceivedEvent, record: RawRecord, request_id: str | None, now: datetime) -> AwardRequest:
    data = event.data
    if not isinstance(data, dict):
        raise InvalidValueError("data", f"must be an object, not {json_type(data)}")
    return AwardRequest(
        tenant_id=_tenant_id(data.get("tenant_id")),
        participant_id=_participant_id(data.get("participant_id")),
        badge_code=_badge_code(data.get("badge_code")),
        metadata=check_metadata(data.get("metadata")),
        earned_at=_earned_at(data.get("earned_at"), event, record, now),
        request_id=request_id or _optional_text(event.id) or _position_id(record),
        source=_optional_text(event.source) or "",
    )


def _legible(event: ReceivedEvent | None, request_id: str | None) -> LegibleRequest:
    """Whatever of a rejected request is as it should be, so that operators find it by that."""
    data = event.data if event is not None and isinstance(event.data, dict) else {}
    return LegibleRequest(
        tenant_id=_if_valid(lambda: _tenant_id(data.get("tenant_id"))),
        participant_id=_if_valid(lambda: _participant_id(data.get("participant_id"))),
        badge_code=_if_valid(lambda: _badge_code(data.get("badge_code"))),
        request_id=request_id or (_optional_text(event.id) if event is not None else None),
    )


def _if_valid(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except InvalidValueError:
        return None


def _participant_id(value: object) -> str:
    return check_text("participant_id", value, longest=PARTICIPANT_ID_LENGTH)


def _badge_code(value: object) -> str:
    return check_text("badge_code", value, longest=BADGE_CODE_LENGTH)


def _tenant_id(value: object) -> UUID:
    return _uuid_of_tenant(check_text("tenant_id", value, longest=36))


@lru_cache(maxsize=4096)
def _uuid_of_tenant(text: str) -> UUID:
    try:
        tenant_id = UUID(text)
    except ValueError as error:
        raise InvalidValueError("tenant_id", "must be a UUID") from error
    if str(tenant_id) != text.lower():  # UUID() also takes braces and missing hyphens
        raise InvalidValueError("tenant_id", "must be a UUID")
    return tenant_id


def _earned_at(given: object, event: ReceivedEvent, record: RawRecord, now: datetime) -> datetime:
    """The request's own date, else the event's time, else the record's timestamp."""
    event_time = parse_instant("time", event.time) if event.time is not None else None
    if given is not None:
        earned_at = event_time if event_time is not None and given == event.time else parse_instant("earned_at", given)
    elif event_time is not None:
        earned_at = event_time
    else:
        earned_at = _record_time(record)
    if earned_at > now + FUTURE_TOLERANCE:
        raise RequestRejectedError(
            RejectionReason.EARNED_AT_IN_FUTURE,
            f"{format_instant(earned_at)} is more than 5 minutes in the future",
        )
    return earned_at


def _record_time(record: RawRecord) -> datetime:
    timestamp_ms = record.position.timestamp_ms
    if timestamp_ms < 0:
        raise InvalidValueError("earned_at", "is missing, and the record has no timestamp")
    try:
        return _EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError as error:
        raise RequestRejectedError(
            RejectionReason.EARNED_AT_IN_FUTURE, "the record's timestamp is past the year 9999"
        ) from error


def _reply_address(partition: str | None, request_id: str | None) -> ReplyAddress | None:
    if partition is None or request_id is None or not _optional_text(request_id):
        return None
    if not (partition.isascii() and partition.isdigit() and len(partition) <= 10):  # noqa: PLR2004 - digits of 2**31
        return None
    number = int(partition)
    if number > _HIGHEST_PARTITION:
        return None
    return ReplyAddress(partition=number, request_id=request_id)


def _optional_text(value: object) -> str | None:
    """Event ids and sources only inform: what could not be stored is treated as absent."""
    if not isinstance(value, str) or not 1 <= len(value) <= REQUEST_ID_LENGTH:
        return None
    return None if unstorable(value) else value


def _position_id(record: RawRecord) -> str:
    position = record.position
    return f"{position.topic}-{position.partition}-{position.offset}"

"""CloudEvents 1.0, Kafka protocol binding: binary and structured mode in, binary mode out.

Source: the CloudEvents specification 1.0.2 and its Kafka protocol binding.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from domain.awards import RawRecord, RejectionReason, RequestRejectedError
from domain.errors import InvalidValueError, JsonMalformedError, JsonNotUtf8Error
from messaging.json_bytes import read_json

SPEC_VERSION = "1.0"
STRUCTURED = "application/cloudevents+json"
JSON = "application/json"

Header = tuple[str, bytes | None]


class ReceivedEvent(NamedTuple):
    """A CloudEvent as it came: attributes still unchecked but for `type`, and its data."""

    type: str
    id: object
    source: object
    time: object
    data: object


def binary_headers(
    *, event_type: str, event_id: str, source: str, subject: str, time: str
) -> tuple[tuple[str, bytes], ...]:
    """The headers of an event whose value is its data as JSON."""
    return (
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_type", event_type.encode()),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", time.encode()),
        ("content-type", JSON.encode()),
    )


def read_event(record: RawRecord, *, known_types: frozenset[str]) -> ReceivedEvent:
    """Read the CloudEvent that a record carries, in either mode.

    Raises:
        RequestRejectedError: no JSON, not UTF-8, or not an event of a known type.
    """
    if record.value is None:
        raise RequestRejectedError(RejectionReason.MALFORMED_JSON, "the record has no value")
    headers = text_headers(record.headers)
    media_type = _media_type(headers.get("content-type"))
    if media_type == STRUCTURED:
        return _structured(_parse(record.value), known_types)
    event_type = _known_type(headers.get("ce_type"), headers.get("ce_specversion"), known_types)
    if media_type not in {None, JSON}:
        raise RequestRejectedError(RejectionReason.SCHEMA_VIOLATION, f"content-type must be {JSON}, not {media_type}")
    return ReceivedEvent(
        type=event_type,
        id=headers.get("ce_id"),
        source=headers.get("ce_source"),
        time=headers.get("ce_time"),
        data=_parse(record.value),
    )


def text_headers(headers: Iterable[Header]) -> Mapping[str, str]:
    """The headers that are text; of several with one name the last. Others are passed over."""
    texts: dict[str, str] = {}
    for name, value in headers:
        if value is not None:
            try:
                texts[name] = value.decode("utf-8")
            except UnicodeDecodeError:
                continue
    return texts


def _structured(envelope: object, known_types: frozenset[str]) -> ReceivedEvent:
    if not isinstance(envelope, dict):
        raise RequestRejectedError(RejectionReason.SCHEMA_VIOLATION, "a structured event must be a JSON object")
    event_type = _known_type(envelope.get("type"), envelope.get("specversion"), known_types)
    data = envelope.get("data")
    if "data_base64" in envelope:
        try:
            data = _parse(base64.b64decode(envelope["data_base64"], validate=True))
        except (binascii.Error, TypeError, ValueError) as error:
            raise RequestRejectedError(
                RejectionReason.SCHEMA_VIOLATION, f"data_base64 is not Base64: {error}"
            ) from error
    return ReceivedEvent(
        type=event_type,
        id=envelope.get("id"),
        source=envelope.get("source"),
        time=envelope.get("time"),
        data=data,
    )


def _known_type(event_type: object, version: object, known_types: frozenset[str]) -> str:
    if version is not None and version != SPEC_VERSION:
        raise RequestRejectedError(RejectionReason.UNKNOWN_EVENT_TYPE, f"specversion must be {SPEC_VERSION}")
    if not isinstance(event_type, str) or event_type not in known_types:
        shown = "missing" if event_type is None else repr(event_type)[:100]
        raise RequestRejectedError(
            RejectionReason.UNKNOWN_EVENT_TYPE,
            f"the event type is {shown}; known: {', '.join(sorted(known_types))}",
        )
    return event_type


def _media_type(content_type: str | None) -> str | None:
    return None if content_type is None else content_type.partition(";")[0].strip().lower()


def _parse(value: bytes) -> object:
    try:
        return read_json(value)
    except JsonNotUtf8Error as error:
        raise RequestRejectedError(RejectionReason.NOT_UTF8, str(error)) from error
    except JsonMalformedError as error:
        raise RequestRejectedError(RejectionReason.MALFORMED_JSON, str(error)) from error
    except InvalidValueError as error:
        raise RequestRejectedError(RejectionReason.SCHEMA_VIOLATION, str(error)) from error

"""The messages of the AsyncAPI document: schemas, headers, and examples that our own code has written."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from domain.awards import LogPosition, RawRecord, Rejected, RejectionReason
from messaging.announcements import EVENT_SOURCE, KafkaAnnouncements
from messaging.announcements import EVENT_TYPE as AWARDED
from messaging.award_requested import EVENT_TYPE as REQUESTED
from messaging.cloud_events import JSON, SPEC_VERSION, STRUCTURED, binary_headers
from messaging.outbox_payload import unpack_messages
from messaging.topics import Topics

BINDING_VERSION = "0.5.0"

Document = dict[str, Any]

_SCHEMAS = files("messaging") / "schemas"
_EXAMPLE_ID = "5b1f6f0e-6a0c-4f6a-9d62-0d0f6f9f1a11"
_AWARD_EXAMPLE_ID = "b7a1d6f0-3a56-5d0e-8f4e-0c3f1c2f7a55"
_EXAMPLE_KEY = "7c9e6679-7425-40de-944b-e07fc1f90ae7:user_123"
_EXAMPLE_TIME = "2026-02-14T10:00:00Z"
_UPSTREAM = "/logins"
_ATTRIBUTES = {
    "specversion": "Version of CloudEvents; may be missing in a request.",
    "type": "What the event is, and the version of its data.",
    "id": "Of a request: which request it is, kept as `request_id` of the award. Of an award: the same for ever.",
    "source": "Of a request: who asks, kept as `source` of the award. Of an award: this service.",
    "subject": "The participant. Not read in a request: `participant_id` counts.",
    "time": "RFC 3339 with a zone. Of a request: when it was earned, if `earned_at` is missing.",
}
_TRACE: dict[str, Document] = {
    "traceparent": {
        "type": "string",
        "description": "W3C Trace Context. That of a request goes on in its event where the worker is traced; what is "
        "malformed is ignored.",
        "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
    },
    "tracestate": {"type": "string", "description": "What goes with `traceparent`."},
}


def schemas() -> Mapping[str, Document]:
    """The schemas of all data, in the dialect of AsyncAPI: each event type's, what it refers to, the envelope."""
    found: dict[str, Document] = {}
    for event_type in (REQUESTED, AWARDED):
        schema = json.loads((_SCHEMAS / event_type / "schema.json").read_text(encoding="utf-8"))
        definitions = schema.pop("$defs")
        del schema["$schema"], schema["$id"]
        found[event_type] = _adapted(schema, event_type)
        found |= {f"{event_type}.{name}": _adapted(below, event_type) for name, below in definitions.items()}
    found["structured_request"] = _envelope()
    return found


def messages(topics: Topics) -> Mapping[str, Document]:
    """Every message, by name."""
    return {
        "award_requested": _award_requested(),
        "award_requested_structured": _award_requested_structured(),
        "badge_awarded": _badge_awarded(),
        "dead_letter": _dead_letter(topics),
    }


def _award_requested() -> Document:
    attributes: dict[str, Document] = {
        "id": {"maxLength": 255},
        "source": {"maxLength": 255},
        "time": {"format": "date-time"},
        "subject": {},
    }
    return {
        "name": REQUESTED,
        "title": "Award requested",
        "summary": "Asks for a badge to be awarded: CloudEvents binary mode.",
        "description": "Attributes are in headers, the data is the value. Other headers are ignored, but for "
        "`reply_partition` and `request_id`, which are the gateways' own, and those of a trace.",
        "contentType": JSON,
        "headers": _headers(REQUESTED, attributes, required=["ce_type"]),
        "payload": _schema(REQUESTED),
        "examples": [
            {
                "name": name,
                "summary": summary,
                "headers": _texts(_event_headers(REQUESTED, _EXAMPLE_ID, _UPSTREAM)),
                "payload": _example(REQUESTED, name),
            }
            for name, summary in (
                ("complete", "With all fields."),
                ("smallest", "With the required fields: `ce_time` is when it was earned."),
            )
        ],
        "bindings": _key(),
    }


def _award_requested_structured() -> Document:
    event = {
        "specversion": SPEC_VERSION,
        "type": REQUESTED,
        "id": _EXAMPLE_ID,
        "source": _UPSTREAM,
        "time": _EXAMPLE_TIME,
        "datacontenttype": JSON,
        "data": _example(REQUESTED, "smallest"),
    }
    media_type = {"type": "string", "pattern": r"^application/cloudevents\+json( *;.*)?$"}
    return {
        "name": REQUESTED,
        "title": "Award requested, structured",
        "summary": "Asks for a badge to be awarded: CloudEvents structured mode.",
        "description": "The value is the whole event; `content-type` says so. `ce_*` headers are ignored.",
        "contentType": STRUCTURED,
        "headers": {
            "type": "object",
            "required": ["content-type"],
            "properties": {"content-type": media_type} | _TRACE,
        },
        "payload": _schema("structured_request"),
        "examples": [
            {
                "name": "structured",
                "summary": "The whole event in the value.",
                "headers": {"content-type": f"{STRUCTURED}; charset=utf-8"},
                "payload": event,
            }
        ],
        "bindings": _key(),
    }


def _badge_awarded() -> Document:
    attributes: dict[str, Document] = {
        "id": {"format": "uuid"},
        "source": {"const": EVENT_SOURCE},
        "subject": {},
        "time": {"format": "date-time"},
    }
    described = _headers(AWARDED, attributes, required=["ce_specversion", "ce_type", *(f"ce_{a}" for a in attributes)])
    described["properties"]["ce_replay"] = {
        "const": "true",
        "description": "There only when an operator published the event again, with the same id.",
    }
    return {
        "name": AWARDED,
        "title": "Badge awarded",
        "summary": "A participant was awarded a badge, for the first and only time: CloudEvents binary mode.",
        "description": "Each award is here exactly once for readers with `isolation.level=read_committed`. "
        "Others drop duplicates by `ce_id`.",
        "contentType": JSON,
        "headers": described,
        "payload": _schema(AWARDED),
        "examples": [
            {
                "name": name,
                "headers": _texts(_event_headers(AWARDED, _AWARD_EXAMPLE_ID, EVENT_SOURCE)),
                "payload": _example(AWARDED, name),
            }
            for name in ("complete", "nothing_optional")
        ],
        "bindings": _key(),
    }


def _dead_letter(topics: Topics) -> Document:
    described: Mapping[str, tuple[str, Document]] = {
        "dlq_reason": ("Why it can never succeed.", {"enum": [reason.value for reason in RejectionReason]}),
        "dlq_detail": ("The same for people, at most 500 characters.", {}),
        "dlq_topic": ("Where the request was.", {}),
        "dlq_partition": ("Its partition.", {"pattern": "^[0-9]+$"}),
        "dlq_offset": ("Its offset.", {"pattern": "^[0-9]+$"}),
        "dlq_timestamp": ("Its timestamp, in milliseconds; -1 when it had none.", {"pattern": "^-?[0-9]+$"}),
        "dlq_time": ("When it was rejected.", {"format": "date-time"}),
        "dlq_cut_from": (
            (
                "Only when key, value and headers had more than 3 MiB: how many bytes. Key and value are cut to 64 KiB "
                "each, the request's headers left out."
            ),
            {"pattern": "^[0-9]+$"},
        ),
    }
    properties = {name: {"type": "string", "description": text} | more for name, (text, more) in described.items()}
    return {
        "name": "dead_letter",
        "title": "Dead letter",
        "summary": "A request that can never succeed, byte for byte as it came, with the reason.",
        "description": "Key, value and headers are the request's own; `dlq_*` headers come after them.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": [name for name in properties if name != "dlq_cut_from"],
            "properties": properties,
        },
        "payload": {"description": "The request's value, whatever it was; null when it had none."},
        "examples": [_dead_letter_example(topics)],
        "bindings": _key("The request's own key, if it had one."),
    }


def _dead_letter_example(topics: Topics) -> Document:
    data = _example(REQUESTED, "smallest") | {"badge_code": "no_such_badge"}
    record = RawRecord(
        position=LogPosition(topic=topics.award_requests, partition=3, offset=4711, timestamp_ms=1_771_063_200_000),
        key=_EXAMPLE_KEY.encode(),
        value=json.dumps(data).encode(),
        headers=tuple(_event_headers(REQUESTED, _EXAMPLE_ID, _UPSTREAM)),
    )
    rejected = Rejected(reason=RejectionReason.BADGE_NOT_FOUND, detail="Badge 'no_such_badge' not found")
    at = datetime(2026, 2, 14, 10, 0, 1, tzinfo=UTC)
    (letter,) = unpack_messages(KafkaAnnouncements(topics).dead_letter(record, rejected, at))
    return {"name": "badge_not_found", "headers": _texts(letter.headers), "payload": data}


def _headers(event_type: str, attributes: Mapping[str, Document], *, required: Sequence[str]) -> Document:
    properties: dict[str, Document] = {
        "ce_specversion": {"type": "string", "description": _ATTRIBUTES["specversion"], "const": SPEC_VERSION},
        "ce_type": {"type": "string", "description": _ATTRIBUTES["type"], "const": event_type},
    }
    for name, more in attributes.items():
        properties[f"ce_{name}"] = {"type": "string", "description": _ATTRIBUTES[name]} | more
    properties["content-type"] = {
        "type": "string",
        "description": "May carry parameters; may be missing in a request.",
        "pattern": "^application/json( *;.*)?$",
    }
    return {"type": "object", "required": list(required), "properties": properties | _TRACE}


def _envelope() -> Document:
    properties = {name: {"type": "string", "description": text} for name, text in _ATTRIBUTES.items()}
    properties["specversion"]["const"] = SPEC_VERSION
    properties["type"]["const"] = REQUESTED
    return {
        "title": "structured_request",
        "description": "A CloudEvent in JSON. Attributes that are not described are ignored.",
        "type": "object",
        "required": ["type"],
        "oneOf": [{"required": ["data"]}, {"required": ["data_base64"]}],
        "properties": {
            **properties,
            "data": _schema(REQUESTED),
            "data_base64": {"type": "string", "description": "The data's JSON in Base64, instead of `data`."},
        },
    }


def _adapted(node: Any, event_type: str) -> Any:  # noqa: ANN401 - any JSON
    """Refer into the document; where AsyncAPI would pass over what stands beside a reference, use `allOf`."""
    if isinstance(node, list):
        return [_adapted(below, event_type) for below in node]
    if not isinstance(node, dict):
        return node
    adapted = {name: _adapted(below, event_type) for name, below in node.items() if name != "$ref"}
    if "$ref" in node:
        referred = _schema(f"{event_type}.{node['$ref'].removeprefix('#/$defs/')}")
        return adapted | {"allOf": [referred]} if adapted else referred
    return adapted


def _schema(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _key(
    description: str = "`<tenant_id>:<participant_id>`: all that concerns one participant is in order.",
) -> Document:
    key = {"type": "string", "description": description, "examples": [_EXAMPLE_KEY]}
    return {"kafka": {"key": key, "bindingVersion": BINDING_VERSION}}


def _example(event_type: str, name: str) -> Document:
    text = (_SCHEMAS / event_type / "examples" / f"{name}.json").read_text(encoding="utf-8")
    example: Document = json.loads(text)
    return example


def _event_headers(event_type: str, event_id: str, source: str) -> Sequence[tuple[str, bytes]]:
    return binary_headers(
        event_type=event_type, event_id=event_id, source=source, subject="user_123", time=_EXAMPLE_TIME
    )


def _texts(headers: Sequence[tuple[str, bytes | None]]) -> Mapping[str, str]:
    return {name: (value or b"").decode() for name, value in headers}

"""The poison corpus: records that can never succeed, each with the reason its dead letter must give."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.awards import RejectionReason
from messaging.award_requested import EVENT_TYPE

MALFORMED = RejectionReason.MALFORMED_JSON
NOT_UTF8 = RejectionReason.NOT_UTF8
UNKNOWN_TYPE = RejectionReason.UNKNOWN_EVENT_TYPE
SCHEMA = RejectionReason.SCHEMA_VIOLATION
TOO_LARGE = RejectionReason.TOO_LARGE
FUTURE = RejectionReason.EARNED_AT_IN_FUTURE

Headers = Sequence[tuple[str, bytes | None]]

BINARY: Headers = (("ce_type", EVENT_TYPE.encode()), ("ce_specversion", b"1.0"), ("content-type", b"application/json"))
STRUCTURED: Headers = (("content-type", b"application/cloudevents+json; charset=utf-8"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """One bad record. `name` says what is wrong with it."""

    name: str
    reason: RejectionReason
    value: bytes | None
    headers: Headers = BINARY
    key: bytes | None = b"some key"


def poison(tenant_id: UUID | str) -> Sequence[Poison]:
    """Every bad record that its own content gives away, asking for awards of the tenant."""
    return [*_texts(tenant_id), *_fields(tenant_id), *_dates(tenant_id), *_envelopes(tenant_id)]


def asking(tenant_id: UUID | str, /, **changes: object) -> bytes:
    """A request's data with some fields changed; a field set to `...` is left out."""
    fields = {"tenant_id": str(tenant_id), "participant_id": "poison", "badge_code": "power_user"} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def enveloped(data: object, /, **changes: object) -> bytes:
    """A structured CloudEvent with some attributes changed; one set to `...` is left out."""
    attributes = {"specversion": "1.0", "type": EVENT_TYPE, "id": "event-1", "source": "/tests", "data": data}
    return json.dumps({name: value for name, value in (attributes | changes).items() if value is not ...}).encode()


def _texts(tenant_id: UUID | str) -> Sequence[Poison]:
    good = asking(tenant_id)
    return [
        Poison(name="tombstone", reason=MALFORMED, value=None),
        Poison(name="tombstone without a key or headers", reason=MALFORMED, value=None, key=None, headers=()),
        Poison(name="empty value", reason=MALFORMED, value=b""),
        Poison(name="blanks", reason=MALFORMED, value=b" \n "),
        Poison(name="cut", reason=MALFORMED, value=good[:-5]),
        Poison(name="trailing comma", reason=MALFORMED, value=good[:-1] + b",}"),
        Poison(name="two values", reason=MALFORMED, value=good + good),
        Poison(name="BOM", reason=MALFORMED, value=b"\xef\xbb\xbf" + good),
        Poison(name="raw NUL in a string", reason=MALFORMED, value=good.replace(b"poison", b"poi\0son")),
        Poison(name="raw NUL behind the value", reason=MALFORMED, value=good + b"\0"),
        Poison(name="NaN", reason=MALFORMED, value=with_metadata(good, b'{"n":NaN}')),
        Poison(name="-Infinity", reason=MALFORMED, value=with_metadata(good, b'{"n":-Infinity}')),
        Poison(name="not UTF-8", reason=NOT_UTF8, value=good.replace(b"poison", b"poi\xffson")),
        Poison(name="surrogate as raw bytes", reason=NOT_UTF8, value=good.replace(b"poison", b"\xed\xa0\x80")),
        Poison(name="UTF-16", reason=NOT_UTF8, value=good.decode().encode("utf-16")),
        Poison(name="1e400", reason=SCHEMA, value=with_metadata(good, b'{"n":1e400}')),
        Poison(name="number of 5,000 digits", reason=SCHEMA, value=with_metadata(good, b'{"n":' + b"9" * 5000 + b"}")),
        Poison(name="nesting of 15,000", reason=SCHEMA, value=with_metadata(good, _nested(15_000))),
        Poison(name="nesting of 15,000 left open", reason=SCHEMA, value=b"[" * 15_000),
        Poison(
            name="number of 140,000 digits",
            reason=TOO_LARGE,
            value=with_metadata(good, b'{"n":' + b"9" * 140_000 + b"}"),
        ),
        Poison(name="one byte too many", reason=TOO_LARGE, value=good.ljust(64 * 1024 + 1)),
        Poison(name="string of nearly 1 MB", reason=TOO_LARGE, value=asking(tenant_id, participant_id="x" * 1_000_000)),
    ]


def _fields(tenant_id: UUID | str) -> Sequence[Poison]:
    changes: Mapping[str, Mapping[str, object]] = {
        "no tenant": {"tenant_id": ...},
        "no participant": {"participant_id": ...},
        "no badge code": {"badge_code": ...},
        "tenant null": {"tenant_id": None},
        "tenant not a UUID": {"tenant_id": "demo"},
        "tenant a UUID without hyphens": {"tenant_id": UUID(str(tenant_id)).hex},
        "tenant a UUID in braces": {"tenant_id": f"{{{tenant_id}}}"},
        "tenant a number": {"tenant_id": 5},
        "participant true": {"participant_id": True},
        "participant 1.5": {"participant_id": 1.5},
        "participant a list": {"participant_id": ["user_123"]},
        "participant null": {"participant_id": None},
        "participant empty": {"participant_id": ""},
        "participant of 256 characters": {"participant_id": "é" * 256},
        "participant with NUL": {"participant_id": "user\0"},
        "participant with a lone surrogate": {"participant_id": "user\ud800"},
        "badge code an object": {"badge_code": {}},
        "badge code empty": {"badge_code": ""},
        "badge code of 51 characters": {"badge_code": "x" * 51},
        "badge code with NUL": {"badge_code": "power\0user"},
        "badge code with a lone surrogate": {"badge_code": "\udfff"},
        "metadata a list": {"metadata": []},
        "metadata text": {"metadata": "{}"},
        "metadata false": {"metadata": False},
        "metadata with NUL in a value": {"metadata": {"a": ["\0"]}},
        "metadata with NUL in a key": {"metadata": {"a": {"\0": 1}}},
        "metadata with a lone surrogate in a value": {"metadata": {"a": "\udc00"}},
        "metadata with a lone surrogate in a key": {"metadata": {"\udc00": 1}},
        "metadata 33 levels deep": {"metadata": _levels(33)},
        "metadata of 16 KiB and a byte": {"metadata": {"a": "x" * (16 * 1024 - 7)}},
    }
    poisons = [Poison(name=name, reason=SCHEMA, value=asking(tenant_id, **change)) for name, change in changes.items()]
    scalars = {"null": b"null", "number": b"5", "text": b'"text"', "list": b"[]", "empty object": b"{}"}
    return [*poisons, *(Poison(name=f"data {name}", reason=SCHEMA, value=value) for name, value in scalars.items())]


def _dates(tenant_id: UUID | str) -> Sequence[Poison]:
    bad = {
        "without a zone": "2026-02-14T10:00:00",
        "a day only": "2026-02-14",
        "a number": 1_760_000_000,
        "true": True,
        "no such day": "2026-02-30T10:00:00Z",
        "in year 0": "0000-01-01T00:00:00Z",
        "before year 1": "0001-01-01T00:00:00+01:00",
        "past year 9999": "9999-12-31T23:59:59-01:00",
        "empty": "",
    }
    poisons = [
        Poison(name=f"earned_at {name}", reason=SCHEMA, value=asking(tenant_id, earned_at=text))
        for name, text in bad.items()
    ]
    return [
        *poisons,
        Poison(
            name="earned_at in year 9999",
            reason=FUTURE,
            value=asking(tenant_id, earned_at="9999-12-31T23:59:59.999999Z"),
        ),
        Poison(
            name="ce_time in the future",
            reason=FUTURE,
            value=asking(tenant_id),
            headers=[*BINARY, ("ce_time", b"9999-01-01T00:00:00Z")],
        ),
        Poison(
            name="ce_time no date",
            reason=SCHEMA,
            value=asking(tenant_id),
            headers=[*BINARY, ("ce_time", b"yesterday")],
        ),
        Poison(
            name="time of a structured event a number",
            reason=SCHEMA,
            value=enveloped(json.loads(asking(tenant_id)), time=5),
            headers=STRUCTURED,
        ),
    ]


def _envelopes(tenant_id: UUID | str) -> Sequence[Poison]:
    good = asking(tenant_id)
    data = json.loads(good)
    type_header = ("ce_type", EVENT_TYPE.encode())
    binary: Mapping[str, tuple[RejectionReason, Headers]] = {
        "no headers": (UNKNOWN_TYPE, ()),
        "no ce_type": (UNKNOWN_TYPE, BINARY[1:]),
        "other ce_type": (UNKNOWN_TYPE, [("ce_type", b"badges.award.requested.v2")]),
        "ce_type null": (UNKNOWN_TYPE, [("ce_type", None)]),
        "ce_type not UTF-8": (UNKNOWN_TYPE, [("ce_type", b"\xff\xfe")]),
        "other specversion": (UNKNOWN_TYPE, [type_header, ("ce_specversion", b"0.3")]),
        "content-type of binary data": (SCHEMA, [type_header, ("content-type", b"application/octet-stream")]),
        "structured content-type, data alone": (UNKNOWN_TYPE, STRUCTURED),
    }
    structured: Mapping[str, tuple[RejectionReason, bytes]] = {
        "no type": (UNKNOWN_TYPE, enveloped(data, type=...)),
        "type a list": (UNKNOWN_TYPE, enveloped(data, type=[EVENT_TYPE])),
        "specversion 2": (UNKNOWN_TYPE, enveloped(data, specversion="2.0")),
        "specversion a list": (UNKNOWN_TYPE, enveloped(data, specversion=["1.0"])),
        "specversion an object": (UNKNOWN_TYPE, enveloped(data, specversion={})),
        "specversion a number": (UNKNOWN_TYPE, enveloped(data, specversion=1.0)),
        "a list": (SCHEMA, b"[]"),
        "cut": (MALFORMED, enveloped(data)[:-3]),
        "no data": (SCHEMA, enveloped(data, data=...)),
        "data_base64 no Base64": (SCHEMA, enveloped(data, data=..., data_base64="*")),
        "data_base64 a number": (SCHEMA, enveloped(data, data=..., data_base64=5)),
        "data_base64 a list": (SCHEMA, enveloped(data, data=..., data_base64=["e30="])),
        "data_base64 with a lone surrogate": (SCHEMA, enveloped(data, data=..., data_base64="\ud800")),
        "data_base64 of no JSON": (MALFORMED, enveloped(data, data=..., data_base64="e30s")),
        "data_base64 of no UTF-8": (NOT_UTF8, enveloped(data, data=..., data_base64="//8=")),
    }
    return [
        *(Poison(name=name, reason=reason, value=good, headers=headers) for name, (reason, headers) in binary.items()),
        *(
            Poison(name=f"structured, {name}", reason=reason, value=value, headers=STRUCTURED)
            for name, (reason, value) in structured.items()
        ),
        Poison(name="structured, wrong content-type", reason=UNKNOWN_TYPE, value=enveloped(data), headers=BINARY[2:]),
    ]


def with_metadata(data: bytes, metadata: bytes) -> bytes:
    """Put raw text into a request's data as its metadata."""
    return data[:-1] + b',"metadata":' + metadata + b"}"


def _nested(levels: int) -> bytes:
    return b'{"a":' + b"[" * levels + b"]" * levels + b"}"


def _levels(levels: int) -> object:
    value: object = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value

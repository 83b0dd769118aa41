"""Requests that are sent over HTTP and over the bus alike, each with the result that both must give."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.awards import RejectionReason

MALFORMED = RejectionReason.MALFORMED_JSON
NOT_UTF8 = RejectionReason.NOT_UTF8
SCHEMA = RejectionReason.SCHEMA_VIOLATION
TOO_LARGE = RejectionReason.TOO_LARGE
NOT_FOUND = RejectionReason.BADGE_NOT_FOUND

LONGEST_CODE = "🏅" * 50
TEXT = "text/plain"
HIDDEN, INACTIVE = "hidden", "inactive"
ANSWERS: Mapping[RejectionReason, tuple[int, str]] = {
    MALFORMED: (422, "validation_error"),
    NOT_UTF8: (422, "validation_error"),
    SCHEMA: (422, "validation_error"),
    TOO_LARGE: (413, "payload_too_large"),
    NOT_FOUND: (404, "badge_not_found"),
    RejectionReason.UNKNOWN_TENANT: (401, "unauthorized"),
    RejectionReason.TENANT_DISABLED: (403, "forbidden"),
}
"""Status and code over HTTP that go with a reason on the bus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request. `reason` is None where it is awarded; `size` is that of its bytes, blanks added."""

    name: str
    body: bytes
    reason: RejectionReason | None = None
    size: int = 0
    content_type: str = "application/json"

    @property
    def answer(self) -> tuple[int, str]:
        """Status and code over HTTP, where it is rejected."""
        if self.content_type == TEXT:
            return 415, "unsupported_media_type"
        assert self.reason is not None
        return ANSWERS[self.reason]

    def over_http(self) -> bytes:
        """The body of the call."""
        return self.body.ljust(self.size)

    def over_the_bus(self, tenant_id: object) -> bytes:
        """The value of the record: the same, with the tenant that a key would stand for."""
        tenant = f'{{"tenant_id":"{tenant_id}",'.encode()
        return self.body.replace(b"{", tenant, 1).ljust(self.size) if self.body.startswith(b"{") else self.body


def awarded() -> Sequence[Case]:
    """Requests that are good, up to every limit."""
    texts: Mapping[str, Mapping[str, object]] = {
        "smallest": {},
        "participant of one character": {"participant_id": "é"},
        "participant of 255 characters": {"participant_id": "é" * 255},
        "participant of 255 characters beyond the first plane": {"participant_id": "🏅" * 255},
        "participant with blanks around": {"participant_id": " user_123\t\n"},
        "participant of a path": {"participant_id": "../%2F?#"},
        "participant with control characters": {"participant_id": "\x01\x7f\x85\u2028\ufffe\uffff"},
        "participant decomposed": {"participant_id": "e\u0301"},
        "participant in capitals": {"participant_id": "USER_123"},
        "code of 50 characters": {"badge_code": LONGEST_CODE},
        "hidden badge": {"badge_code": HIDDEN},
        "unknown fields": {"priority": 5, "earned": True, "source": "mine", "request_id": 7},
        "metadata null": {"metadata": None},
        "metadata empty": {"metadata": {}},
        "metadata of every kind": {"metadata": {"": [1, -1.5, True, None, "é🏅\x01", {"a": []}]}},
        "metadata of 16 KiB": {"metadata": {"a": "x" * (16 * 1024 - 8)}},
        "metadata of 16 KiB in UTF-8": {"metadata": {"a": "é" * (8 * 1024 - 4)}},
        "metadata 32 levels deep": {"metadata": levels(32)},
        "metadata with numbers that no double holds": {"metadata": {"big": 2**64 + 1, "digits": 10**4000}},
        "metadata with the last doubles": {"metadata": {"small": 5e-324, "huge": 1.7976931348623157e308}},
    }
    return [
        *(Case(name=name, body=asking(name, **changes)) for name, changes in texts.items()),
        Case(name="blanks", body=asking("blanks").replace(b",", b" ,\r\n\t")),
        Case(name="escaped pair", body=asking("escaped pair").replace(b"pair", rb"\ud83c\udfc5")),
        Case(name="of 64 KiB", body=asking("of 64 KiB"), size=64 * 1024),
        Case(name="charset", body=asking("charset"), content_type="application/json; charset=utf-8"),
        Case(name="type in capitals", body=asking("type in capitals"), content_type="Application/JSON"),
        Case(
            name="duplicate keys",
            body=b'{"participant_id":5,"participant_id":"duplicate keys","badge_code":"","badge_code":"power_user",'
            b'"metadata":{"a":1,"a":2}}',
        ),
    ]


def rejected() -> Sequence[Case]:
    """Requests that can never succeed."""
    fields: Mapping[str, Mapping[str, object]] = {
        "no participant": {"participant_id": ...},
        "participant null": {"participant_id": None},
        "participant a number": {"participant_id": 5},
        "participant true": {"participant_id": True},
        "participant a list": {"participant_id": ["a"]},
        "participant empty": {"participant_id": ""},
        "participant of 256 characters": {"participant_id": "é" * 256},
        "participant with NUL": {"participant_id": "a\0"},
        "participant with a lone surrogate": {"participant_id": "\ud800"},
        "no code": {"badge_code": ...},
        "code null": {"badge_code": None},
        "code a number": {"badge_code": 1.5},
        "code empty": {"badge_code": ""},
        "code of 51 characters": {"badge_code": "x" * 51},
        "code with NUL": {"badge_code": "power\0user"},
        "code with a lone surrogate": {"badge_code": "\udfff"},
        "metadata a list": {"metadata": []},
        "metadata text": {"metadata": "{}"},
        "metadata a number": {"metadata": 0},
        "metadata false": {"metadata": False},
        "metadata with NUL in a value": {"metadata": {"a": ["\0"]}},
        "metadata with NUL in a key": {"metadata": {"a": {"\0": 1}}},
        "metadata with a lone surrogate": {"metadata": {"a": "\udc00"}},
        "metadata with a lone surrogate in a key": {"metadata": {"\udc00": 1}},
        "metadata of 16 KiB and a byte": {"metadata": {"a": "x" * (16 * 1024 - 7)}},
        "metadata of 16 KiB and a byte in UTF-8": {"metadata": {"a": "é" * (8 * 1024 - 4) + "x"}},
        "metadata 33 levels deep": {"metadata": levels(33)},
        "metadata with 1e400": {"metadata": "1e400"},
        "metadata with 5,000 digits": {"metadata": "9" * 5000},
        "metadata 15,000 levels deep": {"metadata": "[" * 15_000 + "]" * 15_000},
    }
    raw = {"metadata with 1e400", "metadata with 5,000 digits", "metadata 15,000 levels deep"}
    bodies = {
        name: number(name, str(changes["metadata"])) if name in raw else asking(name, **changes)
        for name, changes in fields.items()
    }
    scalars = {"a list": b"[]", "null": b"null", "a number": b"5", "text": b'"text"'}
    return [
        *(Case(name=name, body=body, reason=SCHEMA) for name, body in bodies.items()),
        *(Case(name=name, body=body, reason=SCHEMA) for name, body in scalars.items()),
        *_texts(),
        Case(name="of 64 KiB and a byte", body=asking("large"), size=64 * 1024 + 1, reason=TOO_LARGE),
        Case(name="another content type", body=asking("typed"), content_type=TEXT, reason=SCHEMA),
        Case(name="unknown badge", body=asking("nobody's", badge_code="no_such_badge"), reason=NOT_FOUND),
        Case(name="inactive badge", body=asking("paused", badge_code=INACTIVE), reason=NOT_FOUND),
        Case(name="code in capitals", body=asking("shouting", badge_code="POWER_USER"), reason=NOT_FOUND),
        Case(name="code with a blank", body=asking("blank", badge_code="power_user "), reason=NOT_FOUND),
    ]


def asking(participant_id: str, /, **changes: object) -> bytes:
    """A request's body with some fields changed; a field set to `...` is left out."""
    fields = {"participant_id": participant_id, "badge_code": "power_user"} | changes
    text = json.dumps({name: value for name, value in fields.items() if value is not ...}, ensure_ascii=False)
    return text.encode(errors="backslashreplace")  # which writes lone surrogates as JSON does


def number(participant_id: str, raw: str) -> bytes:
    """A request with raw text as a value in its metadata."""
    return asking(participant_id)[:-1] + b',"metadata":{"n":' + raw.encode() + b"}}"


def levels(count: int) -> object:
    """Objects in objects, so many levels."""
    value: object = {}
    for _ in range(count - 1):
        value = {"a": value}
    return value


def _texts() -> Sequence[Case]:
    good = asking("text")
    malformed = {
        "empty": b"",
        "blanks alone": b" \n ",
        "cut": good[:-5],
        "trailing comma": good[:-1] + b",}",
        "two values": good + good,
        "BOM": b"\xef\xbb\xbf" + good,
        "raw NUL in text": good.replace(b"text", b"te\0xt"),
        "NaN": number("NaN", "NaN"),
        "Infinity": number("Infinity", "Infinity"),
        "-Infinity": number("-Infinity", "-Infinity"),
        "number with a leading zero": number("zero", "01"),
        "quotes of another kind": good.replace(b'"', b"'"),
    }
    not_utf8 = {
        "not UTF-8": good.replace(b"text", b"te\xffxt"),
        "surrogate as raw bytes": good.replace(b"text", b"\xed\xa0\x80"),
        "overlong": good.replace(b"text", b"\xc0\xaf"),
    }
    return [
        *(Case(name=name, body=body, reason=MALFORMED) for name, body in malformed.items()),
        *(Case(name=name, body=body, reason=NOT_UTF8) for name, body in not_utf8.items()),
    ]

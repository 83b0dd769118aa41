"""Lengths and contents that hold over HTTP and on Kafka alike.

Lengths are in characters (code points). Source: the HTTP contract and its decisions.
"""

from collections.abc import Iterator

from domain.errors import InvalidValueError
from domain.json_text import compact_json, json_type

PARTICIPANT_ID_LENGTH = 255
BADGE_CODE_LENGTH = 50
BADGE_NAME_LENGTH = 100
BADGE_COLOR_LENGTH = 20
CATEGORY_LENGTH = 50
ICON_URL_LENGTH = 2048
REQUEST_ID_LENGTH = 255
METADATA_BYTES = 16 * 1024
METADATA_DEPTH = 32
REQUEST_BYTES = 64 * 1024


def check_text(field: str, value: object, *, longest: int, shortest: int = 1) -> str:
    """Return `value` if it is text of `shortest` to `longest` characters that Postgres can hold.

    Raises:
        InvalidValueError: another type, another length, a NUL character or a lone surrogate.
    """
    if not isinstance(value, str):
        raise InvalidValueError(field, f"must be a string, not {json_type(value)}")
    if not shortest <= len(value) <= longest:
        raise InvalidValueError(field, f"must have {shortest} to {longest} characters")
    if problem := unstorable(value):
        raise InvalidValueError(field, problem)
    return value


def unstorable(text: str) -> str | None:
    """Say why Postgres or UTF-8 cannot hold `text`; None when they can."""
    if "\0" in text:
        return "must not contain the NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "must not contain a lone surrogate"
    return None


def check_metadata(value: object) -> dict[str, object] | None:
    """Return `value` if it is a JSON object (or null) within the limits of metadata.

    Raises:
        InvalidValueError: not an object, nested deeper than 32 levels, larger than 16 KiB as
            compact JSON, or holding a NUL character, a lone surrogate, NaN or Infinity.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidValueError("metadata", f"must be an object, not {json_type(value)}")
    for text in _texts(value, depth=1):
        if problem := unstorable(text):
            raise InvalidValueError("metadata", problem)
    try:
        size = len(compact_json(value).encode())
    except ValueError as error:  # NaN or Infinity, or an integer of more than 4,300 digits
        raise InvalidValueError("metadata", f"cannot be written as JSON: {error}") from error
    if size > METADATA_BYTES:
        raise InvalidValueError("metadata", f"must be at most {METADATA_BYTES} bytes as JSON")
    return value


def _texts(value: object, *, depth: int) -> Iterator[str]:
    """Every string in `value`, keys included; refuses what is nested too deeply."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        if depth > METADATA_DEPTH:
            raise InvalidValueError("metadata", f"must be at most {METADATA_DEPTH} levels deep")
        if isinstance(value, dict):
            yield from value
            value = list(value.values())
        for item in value:
            yield from _texts(item, depth=depth + 1)

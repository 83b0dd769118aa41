"""JSON as we accept it: UTF-8, finite numbers, bounded nesting.

The parser of the standard library is lenient (NaN, endless numbers); requests come from strangers,
so everything lenient is refused here, for HTTP and Kafka alike. Of a duplicate key the last wins.
"""

import json
import math
from typing import NoReturn

from domain.errors import InvalidValueError, JsonMalformedError, JsonNotUtf8Error

_TYPE_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


def parse_json(raw: bytes) -> object:
    """Return the value that `raw` holds.

    Raises:
        JsonNotUtf8Error: the bytes are not UTF-8.
        JsonMalformedError: not one JSON value (RFC 8259); NaN and Infinity are none.
        InvalidValueError: JSON, but with a number too large to hold or nested too deeply to read.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonNotUtf8Error(f"byte {error.start} is not UTF-8") from error
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise InvalidValueError("the document", "is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise JsonMalformedError(str(error)) from error
    except ValueError as error:  # Python reads no integer of more than 4,300 digits
        raise InvalidValueError("the document", "holds a number with too many digits") from error
    return value


def compact_json(value: object) -> str:
    """`value` as JSON text without spaces, characters as they are (not escaped)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def json_type(value: object) -> str:
    """Return the JSON name of the type of `value`, for messages: `object`, `array`, `number` and so on."""
    return _TYPE_NAMES.get(type(value), "number")


def _refuse_constant(name: str) -> NoReturn:
    raise JsonMalformedError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidValueError("the document", f"holds a number too large: {text[:20]}")
    return number

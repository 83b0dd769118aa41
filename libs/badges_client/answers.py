"""From the gateway's answers to results and errors. Fields that are not known are passed over."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin
from uuid import UUID

import httpx

from badges_client.errors import (
    AwardPending,
    BadgeCodeConflict,
    BadgeNotFound,
    BadgesError,
    ConnectionFailed,
    FieldError,
    Forbidden,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    ValidationFailed,
)

Result = TypeVar("Result")

_ERROR_OF_CODE: Mapping[str, type[BadgesError]] = {
    "award_pending": AwardPending,
    "badge_code_conflict": BadgeCodeConflict,
    "badge_not_found": BadgeNotFound,
}
_ERROR_OF_STATUS: Mapping[int, type[BadgesError]] = {
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.UNPROCESSABLE_ENTITY: ValidationFailed,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimited,
    HTTPStatus.BAD_GATEWAY: Unavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
    HTTPStatus.GATEWAY_TIMEOUT: Unavailable,
}
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


def read_answer(kind: type[Result], answer: httpx.Response) -> Result:
    """Return the result that the answer holds.

    Raises:
        BadgesError: it holds an error, or nothing that can be understood.
    """
    try:
        content: object = json.loads(answer.content)
    except (ValueError, RecursionError):
        content = None
    if not answer.is_success:
        raise _error(answer, content if isinstance(content, dict) else {})
    try:
        return _read_object(kind, content)
    except ValueError as error:
        raise UnexpectedAnswer(
            f"the answer is none of the Badges API's: {error}", status=answer.status_code, code="unexpected_answer"
        ) from error


def unanswered(error: httpx.RequestError | httpx.InvalidURL) -> BadgesError:
    """Return what it means that there was no answer to read."""
    detail = str(error) or type(error).__name__
    if isinstance(error, httpx.InvalidURL):
        return ValidationFailed(detail, code="validation_error")
    if isinstance(error, httpx.DecodingError):
        return UnexpectedAnswer(detail, code="unexpected_answer")
    failed = ConnectionFailed(detail, code="connection_failed")
    failed.was_sent = not isinstance(error, _NEVER_SENT)
    return failed


def _error(answer: httpx.Response, problem: Mapping[str, object]) -> BadgesError:
    status = answer.status_code
    code, detail = problem.get("code"), problem.get("detail")
    is_problem = isinstance(code, str) and isinstance(detail, str)
    kind = _ERROR_OF_CODE.get(str(code)) or _ERROR_OF_STATUS.get(status)
    return (kind or (BadgesError if is_problem else UnexpectedAnswer))(
        detail if isinstance(detail, str) else answer.reason_phrase or "an error without a word",
        status=status,
        code=code if isinstance(code, str) else f"http_{status}",
        errors=_field_errors(problem.get("errors")),
        retry_after=_retry_after(answer.headers),
    )


def _field_errors(value: object) -> tuple[FieldError, ...]:
    """What can be understood of `errors`; the detail says the first in any case."""
    found = []
    for error in value if isinstance(value, list) else ():
        match error:
            case {"loc": [*loc], "msg": str(msg), "type": str(kind)}:
                found.append(FieldError(loc=tuple(loc), msg=msg, type=kind))
    return tuple(found)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds. A date, as proxies send it, is taken against the answer's own: clocks differ."""
    value = headers.get("Retry-After", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):  # TypeError: one of them has a zone, one has none
        return None
    return max(0.0, wait.total_seconds())


def _read_object(kind: type[Result], value: object) -> Result:
    """Make `kind` of a JSON object, field by field; a field's default stands for one that is absent."""
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__} for an object")  # noqa: TRY004 - the answer is wrong, not the program
    found: dict[str, object] = {}
    for described in fields(kind):  # type: ignore[arg-type]  # every result is a dataclass
        if described.name in value:
            try:
                found[described.name] = _read(described.type, value[described.name])
            except ValueError as error:
                raise ValueError(f"{described.name}: {error}") from error
        elif described.default is MISSING:
            raise ValueError(f"{described.name} is missing")
    return kind(**found)


def _read(kind: Any, value: object) -> object:  # noqa: ANN401 - the type of a field, as `dataclasses.fields` has it
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{type(value).__name__} for a list")
        return tuple(_read(get_args(kind)[0], item) for item in value)
    if get_origin(kind) is UnionType:  # `… | None`, the only kind of union that there is
        return None if value is None else _read(get_args(kind)[0], value)
    return _READERS[kind](value) if kind in _READERS else _read_object(kind, value)


def _plain(kind: type[Result]) -> Callable[[object], Result]:
    def read(value: object) -> Result:
        if type(value) is not kind:  # no bool for an int
            raise ValueError(f"{type(value).__name__} for {kind.__name__}")
        return value

    return read


_text = _plain(str)


def _instant(value: object) -> datetime:
    try:
        instant = datetime.fromisoformat(_text(value))
        if instant.tzinfo is None:
            raise ValueError("an instant without a zone")
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _uuid(value: object) -> UUID:
    return UUID(_text(value))


_READERS: Mapping[object, Callable[[object], object]] = {
    str: _text,
    bool: _plain(bool),
    int: _plain(int),
    UUID: _uuid,
    datetime: _instant,
}

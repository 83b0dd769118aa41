"""Every call of the API as data: what is sent, what comes back, and whether it may be sent again."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

from badges_client.errors import FieldError, ValidationFailed
from badges_client.fields import BadgeChanges, BadgeOptions
from badges_client.results import AcceptedAward, Award, BadgeDefinition, BadgePage, Done, Explanation, ParticipantBadges

Result = TypeVar("Result")

_RESPOND_ASYNC = {"Prefer": "respond-async"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Result]):
    """One call; `target` is the encoded path behind `/api/v1/gamify`, with the query, `content` JSON.

    `is_repeatable`: done twice it is as good as once, and is answered the same.
    """

    method: str
    target: str
    result: type[Result]
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True


def award(participant_id: str, badge_code: str, metadata: Mapping[str, object] | None) -> Call[Award]:
    """Repeatable by contract: the first one counts."""
    content = _award(participant_id, badge_code, metadata)
    return Call(method="POST", target="/badges/award", result=Award, content=content)


def request_award(participant_id: str, badge_code: str, metadata: Mapping[str, object] | None) -> Call[AcceptedAward]:
    """Repeatable, as `award`."""
    content = _award(participant_id, badge_code, metadata)
    return Call(method="POST", target="/badges/award", result=AcceptedAward, content=content, headers=_RESPOND_ASYNC)


def participant_badges(
    participant_id: str, *, earned_only: bool, badge_codes: Iterable[str] | None
) -> Call[ParticipantBadges]:
    """A read."""
    query = {"earned_only": "true"} if earned_only else {}
    if badge_codes is not None:
        query["badge_codes"] = _joined(badge_codes)
    path = f"/participants/{_segment('participant_id', participant_id)}/badges"
    return Call(method="GET", target=_with_query(path, query), result=ParticipantBadges)


def explain(participant_id: str, badge_code: str) -> Call[Explanation]:
    """A read."""
    participant, code = _segment("participant_id", participant_id), _segment("badge_code", badge_code)
    target = f"/admin/participants/{participant}/badges/{code}/explain"
    return Call(method="GET", target=target, result=Explanation)


def list_badges(*, category: str | None, is_active: bool | None, page: int, page_size: int) -> Call[BadgePage]:
    """A read."""
    query = {"page": str(page), "page_size": str(page_size)}
    if category is not None:
        query["category"] = category
    if is_active is not None:
        query["is_active"] = "true" if is_active else "false"
    return Call(method="GET", target=_with_query("/admin/badges", query), result=BadgePage)


def create_badge(code: str, name: str, options: BadgeOptions) -> Call[BadgeDefinition]:
    """Not repeatable: where the first try's answer is lost, the second one hears that the code is taken."""
    _check_names(options, BadgeOptions.__optional_keys__)
    content = _json({"code": code, "name": name, **options})
    return Call(method="POST", target="/admin/badges", result=BadgeDefinition, content=content, is_repeatable=False)


def get_badge(badge_id: UUID) -> Call[BadgeDefinition]:
    """A read."""
    return Call(method="GET", target=_badge(badge_id), result=BadgeDefinition)


def update_badge(badge_id: UUID, changes: BadgeChanges) -> Call[BadgeDefinition]:
    """Repeatable: values are set, whatever they were."""
    _check_names(changes, BadgeChanges.__optional_keys__)
    return Call(method="PATCH", target=_badge(badge_id), result=BadgeDefinition, content=_json(changes))


def deactivate_badge(badge_id: UUID) -> Call[Done]:
    """Repeatable by contract: twice is answered as once."""
    return Call(method="DELETE", target=_badge(badge_id), result=Done)


def encode_segment(text: str) -> str:
    """Percent-encode one path segment; `.` and `..` would else be taken for steps in the path.

    Lone surrogates go as the bytes they would be: the gateway answers 422, as for all that is no id.
    """
    encoded = quote(text, safe="", errors="surrogatepass")
    return encoded.replace(".", "%2E") if set(text) == {"."} else encoded


def _segment(name: str, text: str) -> str:
    """An id as a part of the path, where an empty one would make another path."""
    if not text:
        raise _unsendable("path", name, "must not be empty")
    return encode_segment(text)


def _award(participant_id: str, badge_code: str, metadata: Mapping[str, object] | None) -> bytes:
    body: dict[str, object] = {"participant_id": participant_id, "badge_code": badge_code}
    return _json(body if metadata is None else body | {"metadata": metadata})


def _badge(badge_id: UUID) -> str:
    return f"/admin/badges/{encode_segment(str(badge_id))}"


def _with_query(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query, quote_via=quote, safe='', errors='surrogatepass')}" if query else path


def _joined(badge_codes: Iterable[str]) -> str:
    """The codes as CSV: in double quotes where a code holds a comma, or a blank at its ends."""
    if isinstance(badge_codes, str):
        raise TypeError("badge_codes takes several codes, not one text")
    return ",".join(map(_quoted, badge_codes))


def _quoted(code: str) -> str:
    if "," in code or code.startswith('"') or code != code.strip():
        return '"' + code.replace('"', '""') + '"'
    return code


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")


def _check_names(given: Mapping[str, object], known: Collection[str]) -> None:
    """The gateway passes over names it does not know: a slip would go unseen."""
    if unknown := sorted(given.keys() - known):
        raise TypeError(f"a badge has no {', '.join(unknown)} to set here")


def _unsendable(place: str, name: str, problem: str) -> ValidationFailed:
    error = FieldError(loc=(place, name), msg=problem, type="value_error")
    return ValidationFailed(f"{place}.{name}: {problem}", code="validation_error", errors=(error,))

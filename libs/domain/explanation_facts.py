"""An explanation in plain values: the same for the gateway's answer and for `badgectl explain --json`."""

from datetime import datetime
from uuid import UUID

from domain.explanation_notes import notes_on
from domain.explanations import Explanation, RecordPlace
from domain.times import format_instant

TENANT = ("slug", "environment", "is_enabled")
BADGE = ("id", "name", "is_active", "is_hidden", "created_at", "updated_at")
PLACE = ("topic", "partition", "offset")
AWARD = (
    *("earned_at", "recorded_at", "request_id", "came_over", "source", "key_id", "key_name"),
    *("place", "event_id", "event"),
)
REJECTION = ("reason", "detail", "request_id", "place", "rejected_at", "redriven_at")
WAITING = ("total", "partition", "in_partition", "of_participant")


def explanation_facts(explanation: Explanation) -> dict[str, object]:
    """Return the explanation and the notes on it as JSON has values: instants in UTC, ids as text."""
    return {
        "status": str(explanation.status),
        "participant_id": explanation.participant_id,
        "badge_code": explanation.badge_code,
        "tenant_id": str(explanation.tenant_id),
        "tenant": _facts(explanation.tenant, TENANT),
        "badge": _facts(explanation.badge, BADGE),
        "close_codes": list(explanation.close_codes),
        "award": _facts(explanation.award, AWARD),
        "rejections": [_facts(rejection, REJECTION) for rejection in explanation.rejections],
        "has_more_rejections": explanation.has_more_rejections,
        "waiting": _facts(explanation.waiting, WAITING),
        "notes": list(notes_on(explanation)),
    }


def _facts(described: object | None, names: tuple[str, ...]) -> dict[str, object] | None:
    return None if described is None else {name: _plain(getattr(described, name)) for name in names}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return format_instant(value)
        case UUID():
            return str(value)
        case str():  # an enumeration's too
            return str(value)
        case RecordPlace():
            return _facts(value, PLACE)
        case _:
            return value

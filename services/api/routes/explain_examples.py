"""Explanations as OpenAPI shows them."""

from typing import Any

from api.routes.documentation import EXAMPLE_BADGE_ID

_KEY_ID = "2f1d7c1e-2a53-4a86-9d7d-6a4b0c5b9e21"
_DEFINITION: dict[str, Any] = {
    "id": str(EXAMPLE_BADGE_ID),
    "name": "Power User",
    "is_active": True,
    "is_hidden": False,
    "created_at": "2026-01-10T08:00:00Z",
    "updated_at": "2026-02-12T15:30:00Z",
}
_NEVER_SEEN: dict[str, Any] = {
    "status": "never_seen",
    "participant_id": "user_123",
    "badge_code": "power_usr",
    "tenant_id": "5b0a2f0e-58f4-4a4b-8c0f-7f3c0f1f9d11",
    "tenant": {"slug": "acme", "environment": "live", "is_enabled": True},
    "badge": None,
    "close_codes": ["power_user"],
    "award": None,
    "rejections": [],
    "has_more_rejections": False,
    "waiting": {"total": 0, "partition": 3, "in_partition": 0, "of_participant": 0},
    "notes": ["The tenant has no definition with this code. Close to it: power_user."],
}
_REJECTED = _NEVER_SEEN | {
    "status": "rejected",
    "badge_code": "power_user",
    "badge": _DEFINITION,
    "close_codes": [],
    "rejections": [
        {
            "reason": "badge_not_found",
            "detail": "Badge 'power_user' not found",
            "request_id": "order-4711",
            "place": {"topic": "award_requests", "partition": 3, "offset": 170},
            "rejected_at": "2026-01-09T17:12:03.120044Z",
            "redriven_at": None,
        }
    ],
    "notes": ["What it was rejected for holds no longer: ask again, or have the dead letter redriven."],
}
_AWARDED = _NEVER_SEEN | {
    "status": "awarded",
    "badge_code": "power_user",
    "badge": _DEFINITION,
    "close_codes": [],
    "award": {
        "earned_at": "2026-02-14T10:00:00Z",
        "recorded_at": "2026-02-14T10:00:00.004211Z",
        "request_id": "9a3f5a0c-6f1e-4c0d-8a68-0f0f5f3a7f52",
        "came_over": "http",
        "source": f"/badges/api/keys/{_KEY_ID}",
        "key_id": _KEY_ID,
        "key_name": "backend",
        "place": {"topic": "award_requests", "partition": 3, "offset": 1812},
        "event_id": "c0a1a7c2-0f0b-5d3e-9a77-4a53d5b4a1f7",
        "event": "emitted",
    },
    "waiting": None,
    "notes": [
        "Later requests for it change nothing: they are answered with this award, and leave no trace.",
        "Its batch has left the outbox: the event is on badge_awarded.",
    ],
}
EXPLANATIONS = {"awarded": _AWARDED, "rejected": _REJECTED, "never_seen": _NEVER_SEEN}

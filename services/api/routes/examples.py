"""The requests and answers of the contract, as OpenAPI shows them."""

from typing import Any

from api.routes.documentation import EXAMPLE_BADGE_ID

AWARD_REQUESTS = {
    "with_metadata": {"participant_id": "user_123", "badge_code": "power_user", "metadata": {"trigger": "10th_login"}},
    "without_metadata": {"participant_id": "user_123", "badge_code": "power_user"},
}
BADGE_REQUESTS = {
    "power_user": {
        "code": "power_user",
        "name": "Power User",
        "description": "Log in 10 times.",
        "icon_url": "https://cdn.example.com/badges/power.png",
        "badge_color": "#7C3AED",
        "rarity": "rare",
        "category": "engagement",
        "display_order": 10,
    },
    "smallest": {"code": "first_steps", "name": "First Steps"},
}
BADGE_CHANGES = {
    "pause": {"rarity": "epic", "is_active": False},
    "rename_and_clear": {"name": "Power User", "category": None},
}

AWARDED: dict[str, Any] = {
    "participant_id": "user_123",
    "badge_code": "power_user",
    "badge_name": "Power User",
    "icon": "https://cdn.example.com/badges/power.png",
    "rarity": "rare",
    "earned_at": "2026-02-14T10:00:00Z",
    "already_earned": False,
}
AWARD_ANSWERS = {"first_award": AWARDED, "duplicate_award": AWARDED | {"already_earned": True}}
ACCEPTED = {"participant_id": "user_123", "badge_code": "power_user", "status": "accepted"}
LOCATION = "/api/v1/gamify/participants/user_123/badges?badge_codes=power_user"

LIST_LINK = {
    "list_badges": {
        "operationId": "participant_badges",
        "parameters": {"participant_id": "$response.body#/participant_id"},
        "description": "What the participant has earned now.",
    }
}
AWARD_LINK = {
    "award": {
        "operationId": "award_badge",
        "requestBody": {"participant_id": "user_123", "badge_code": "$response.body#/code"},
        "description": "The new badge can be awarded at once.",
    }
}

PARTICIPANT_BADGES = {
    "participant_id": "user_123",
    "badges": [
        {
            "code": "power_user",
            "name": "Power User",
            "description": "Log in 10 times.",
            "icon": "https://cdn.example.com/badges/power.png",
            "rarity": "rare",
            "category": "engagement",
            "earned": True,
            "earned_at": "2026-02-14T10:00:00Z",
        }
    ],
    "total": 1,
    "earned_count": 1,
}

BADGE: dict[str, Any] = {
    "id": str(EXAMPLE_BADGE_ID),
    "tenant_id": "5b0a2f0e-58f4-4a4b-8c0f-7f3c0f1f9d11",
    "code": "power_user",
    "name": "Power User",
    "description": "Log in 10 times.",
    "icon_url": "https://cdn.example.com/badges/power.png",
    "badge_color": "#7C3AED",
    "rarity": "rare",
    "category": "engagement",
    "is_active": True,
    "is_hidden": False,
    "display_order": 10,
    "created_at": "2026-01-10T08:00:00Z",
    "updated_at": "2026-02-12T15:30:00Z",
}
BADGE_CREATED = BADGE | {"updated_at": BADGE["created_at"]}
BADGE_PAUSED = BADGE | {"rarity": "epic", "is_active": False}
BADGE_PAGE = {"items": [BADGE], "total": 1, "page": 1, "page_size": 50}
DEACTIVATED = {"message": "Badge deactivated"}

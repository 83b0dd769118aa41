"""A network that answers what a test wants, a clock that only sleeping moves, and both clients on them."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import httpx

from badges_client import BadgesClient, Retries
from both_clients import Clients, calling

KEY = "bq_test_0123456789abcdef0123456789abcdef"
AWARD: Mapping[str, object] = {
    "participant_id": "user_123",
    "badge_code": "power_user",
    "badge_name": "Power User",
    "icon": None,
    "rarity": "rare",
    "earned_at": "2026-02-14T10:00:00Z",
    "already_earned": False,
}
DEFINITION: Mapping[str, object] = {
    "id": "22222222-2222-4222-8222-222222222222",
    "tenant_id": "11111111-1111-4111-8111-111111111111",
    "code": "power_user",
    "name": "Power User",
    "description": None,
    "icon_url": None,
    "badge_color": None,
    "rarity": "rare",
    "category": None,
    "is_active": True,
    "is_hidden": False,
    "display_order": 10,
    "created_at": "2026-01-10T08:00:00Z",
    "updated_at": "2026-02-12T15:30:00.000001Z",
}
Reply: TypeAlias = httpx.Response | Exception


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    """An error as the gateway words it."""
    body = {"type": "t", "title": "t", "status": status, "detail": f"because of {code}", "code": code}
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


class StandInGateway:
    """Answers one reply after the other, the last one again and again; every try takes `try_seconds`."""

    def __init__(self, *replies: Reply, try_seconds: float = 0) -> None:
        self.replies = list(replies)
        self.try_seconds = try_seconds
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.now = 1000.0

    @property
    def body(self) -> Any:
        """What the last request carried."""
        return json.loads(self.requests[-1].content)

    async def call(
        self, kind: Clients, name: str, /, *arguments: Any, retries: Retries | None = None, **named: Any
    ) -> Any:
        """Make one call with a client of that kind."""
        options = {
            "retries": retries or self.retries(),
            "transport": self.network,
            "sleep": self._sleep if kind is BadgesClient else self._async_sleep,
        }
        async with calling(kind, "http://gateway", KEY, **options) as call:
            return await call(name, *arguments, **named)

    def retries(self, **changes: Any) -> Retries:
        """The usual policy on this clock, with the longest pauses chance can give."""
        return Retries(**{"clock": lambda: self.now, "random": lambda: 1.0} | changes)

    @property
    def network(self) -> httpx.MockTransport:
        """What stands in for the network."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.now += self.try_seconds
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)  # used up by a client

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def _async_sleep(self, seconds: float) -> None:
        self._sleep(seconds)

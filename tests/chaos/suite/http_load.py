"""Callers over HTTP: a retrying client before all gateways, and a note of everything they are told."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count

import httpx

from badges_client import AsyncBadgesClient
from badges_client.errors import BadgesError, ConnectionFailed, RateLimited, Unavailable
from badges_client.retries import Retries
from chaos.suite.asked import Pairs
from chaos.suite.ledger import Calls, Ledger, Pair
from chaos.suite.pacing import paced

MOST_UNDER_WAY = 150
TRY_SECONDS = 6.0
CALL_SECONDS = 30.0
UNKNOWN_CODES = ("no_such_badge", "retired")

Shown = Mapping[str, tuple[str, str | None, str]]
"""Badge code -> name, icon, rarity, as every answer has to show them."""


class BalancedTransport(httpx.AsyncBaseTransport):
    """Sends each try to the next gateway that accepts a connection, and notes in the ledger what became of it."""

    def __init__(self, urls: Sequence[str], note: Callable[[httpx.Request, httpx.Response | None], None]) -> None:
        self._urls = [httpx.URL(url) for url in urls]
        self._note = note
        self._turns = count()
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=400, keepalive_expiry=2))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a try; it is noted whether it is answered or not."""
        turn = next(self._turns) % len(self._urls)
        *others, last = self._urls[turn:] + self._urls[:turn]
        for url in others:
            with suppress(httpx.ConnectError):
                return await self._send(request, url)
        return await self._send(request, last)

    async def _send(self, request: httpx.Request, chosen: httpx.URL) -> httpx.Response:
        request.url = request.url.copy_with(host=chosen.host, port=chosen.port)
        try:
            response = await self._inner.handle_async_request(request)
            await response.aread()
        except BaseException:
            self._note(request, None)
            raise
        self._note(request, response)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class HttpLoad:
    """Calls at a steady rate until it is told to end; each call goes on until it has an answer."""

    def __init__(self, *, urls: Sequence[str], key: str, pairs: Pairs, ledger: Ledger, shown: Shown) -> None:
        self._pairs = pairs
        self._ledger = ledger
        self._shown = shown
        self._client = AsyncBadgesClient(
            urls[0],
            key,
            timeout=TRY_SECONDS,
            retries=Retries(attempts=8, deadline=CALL_SECONDS, longest_pause=2.0),
            transport=BalancedTransport(urls, self.note),
        )

    async def run(self, rate: float, ended: asyncio.Event) -> None:
        """Call so many times a second until `ended`; return when all are answered."""
        await paced(self._call, rate=rate, most_under_way=MOST_UNDER_WAY, ended=ended)

    async def award(self, pair: Pair) -> None:
        """Have the pair awarded, however often it has to be asked for."""
        metadata = self._pairs.metadata()
        await self._until_answered(lambda: self._client.award(*pair, metadata))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self) -> None:
        """One of: a new award (7 in 10), one asked for before, one without waiting for it, an unknown badge."""
        kind = self._pairs.chance.random()
        if kind < 0.70:
            await self.award(self._pairs.new())
        elif kind < 0.90:
            await self.award(self._pairs.repeated())
        elif kind < 0.97:
            pair = self._pairs.new()
            await self._until_answered(lambda: self._client.request_award(*pair, self._pairs.metadata()))
        else:
            await self.award((f"nobody {self._pairs.chance.random()}", self._pairs.chance.choice(UNKNOWN_CODES)))

    async def _until_answered(self, call: Callable[[], Awaitable[object]]) -> None:
        while True:
            self._ledger.counts["http calls"] += 1
            try:
                await call()
            except (Unavailable, ConnectionFailed, RateLimited):
                self._ledger.counts["http calls that gave up"] += 1
            except BadgesError:
                return  # the try is noted; an answer that should not be is an oddity
            else:
                return

    def note(self, request: httpx.Request, response: httpx.Response | None) -> None:
        """Add a try to the ledger; `response` is None when there was none."""
        asked = json.loads(request.content)
        pair = (asked["participant_id"], asked["badge_code"])
        calls = self._ledger.calls_for(pair)
        self._ledger.counts[f"http {response.status_code if response else 'unanswered'}"] += 1
        match response:
            case None:
                calls.unheard += 1
            case httpx.Response(status_code=200):
                self._note_award(pair, calls, response.json())
            case httpx.Response(status_code=202):
                calls.accepted += 1
            case httpx.Response(status_code=404):
                calls.not_found += 1
            case httpx.Response(status_code=503) if "Retry-After" in response.headers:
                calls.unheard += 1
            case _:
                calls.unheard += 1
                self._ledger.note_oddity(f"{pair}: {response.status_code} {response.text[:200]}")

    def _note_award(self, pair: Pair, calls: Calls, told: Mapping[str, object]) -> None:
        name, icon, rarity = self._shown.get(pair[1], ("", None, ""))
        expected = {"participant_id": pair[0], "badge_code": pair[1], "badge_name": name, "icon": icon}
        expected["rarity"] = rarity
        calls.told += 1
        calls.told_first += told["already_earned"] is False
        calls.earned_at = calls.earned_at or str(told["earned_at"])
        varying = {"earned_at", "already_earned"}
        if told["earned_at"] != calls.earned_at or {k: v for k, v in told.items() if k not in varying} != expected:
            self._ledger.note_oddity(f"{pair}: 200 {told}, earned_at was {calls.earned_at}")

"""Requests as the worker receives them, and what it made of them."""

from collections.abc import Mapping, Sequence
from itertools import count
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg

from award_worker.brake import Brake, BrakeLimits
from award_worker.handler import Decision
from builders import award_request, raw_record
from domain.awards import (
    AwardRequest,
    ReceivedRequest,
    Rejected,
    RejectionReason,
    ReplyAddress,
    RequestRejectedError,
)
from messaging.outbox_payload import OutboxMessage, unpack_messages

AWARDED = "badge_awarded"
DEAD = "award_requests_dlq"

_offsets = count()


def brake(**limits: Any) -> Brake:
    """A brake that is never on, but for the limits given."""
    return Brake(BrakeLimits(**{"consecutive": 0, "ratio": 0.0, "window": 1} | limits), monotonic)


def received(request: AwardRequest) -> ReceivedRequest:
    """A valid request at the next place of the log; somebody waits for its outcome."""
    reply_to = ReplyAddress(partition=1, request_id=request.request_id)
    record = raw_record(request=request, reply_to=reply_to, offset=next(_offsets))
    return ReceivedRequest(record=record, content=request, reply_to=reply_to)


def unreadable(detail: str = "cut") -> ReceivedRequest:
    """A record that holds no request."""
    record = raw_record(b"{", offset=next(_offsets))
    rejection = RequestRejectedError(RejectionReason.MALFORMED_JSON, detail)
    return ReceivedRequest(record=record, content=rejection, reply_to=None)


def asking(tenant_id: UUID, participant_id: str = "user_123", **changes: Any) -> ReceivedRequest:
    """A received request for power_user."""
    return received(award_request(tenant_id=tenant_id, participant_id=participant_id, **changes))


def told(decisions: Sequence[Decision]) -> list[str]:
    """Each outcome in a word."""
    return [
        decision.outcome.reason.value
        if isinstance(decision.outcome, Rejected)
        else ("already earned" if decision.outcome.already_earned else "awarded")
        for decision in decisions
    ]


async def outbox(connection: asyncpg.Connection) -> Sequence[Sequence[OutboxMessage]]:
    """The messages of each outbox row."""
    rows = await connection.fetch("SELECT payload, message_count FROM outbox ORDER BY id")
    batches = [list(unpack_messages(row["payload"])) for row in rows]
    assert [len(batch) for batch in batches] == [row["message_count"] for row in rows]
    return batches


def headers(message: OutboxMessage) -> Mapping[str, str]:
    """A message's headers as text."""
    return {name: (value or b"").decode() for name, value in message.headers}

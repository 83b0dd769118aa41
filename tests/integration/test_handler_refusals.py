"""What Postgres refuses of a batch is found by halving, and rejected alone."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest

from award_worker.handler import AwardHandler
from domain.errors import DataRefusedError
from received_requests import AWARDED, DEAD, asking, outbox, told


@pytest.mark.parametrize("guilty", [[0], [6], [3, 4], [0, 1, 2, 3, 4, 5, 6]])
async def test_what_postgres_refuses_is_rejected_alone(
    guilty: Sequence[int], handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    batch = [asking(live, "x" * 256 if number in guilty else f"user_{number}") for number in range(7)]
    decisions = await handler.handle(batch)
    assert told(decisions) == ["schema_violation" if number in guilty else "awarded" for number in range(7)]
    assert await connection.fetchval("SELECT count(*) FROM awards") == 7 - len(guilty)
    (messages,) = await outbox(connection)
    assert sorted(message.topic for message in messages) == sorted(
        DEAD if number in guilty else AWARDED for number in range(7)
    )
    again = await handler.handle(batch)
    assert told(again) == told(decisions)
    assert len(await outbox(connection)) == 1


async def test_halving_keeps_the_order_of_requests_for_one_award(handler: AwardHandler, live: UUID) -> None:
    batch = [asking(live), asking(live, "x" * 256), asking(live), asking(live, badge_code="no_such_badge")]
    assert told(await handler.handle(batch)) == ["awarded", "schema_violation", "already earned", "badge_not_found"]


async def test_what_postgres_refuses_altogether_leaves_nothing(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    await connection.execute("ALTER TABLE outbox ADD CONSTRAINT ck_outbox_full CHECK (false)")
    with pytest.raises(DataRefusedError):
        await handler.handle([asking(live)])
    assert await connection.fetchval("SELECT count(*) FROM awards") == 0

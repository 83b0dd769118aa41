"""`badgectl verify --repair`: the events that are missing go through the outbox, and are waited for."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from badgectl.failures import CommandError
from badgectl.verify_run import Findings
from messaging.announcements import KafkaAnnouncements
from messaging.topics import Topics
from storage.award_export import find_awards
from storage.database import Database
from storage.ledger import PostgresLedger
from storage.verification import Verification, first_in_outbox

AWARDS_PER_REPAIR = 1000
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """So many events went into the outbox, under numbers up to this one."""

    upto: int
    events: int


async def lock_repair(verification: Verification) -> None:
    """Keep others from repairing at the same time: both would publish the same.

    Raises:
        CommandError: somebody repairs.
    """
    if not await verification.try_lock():
        raise CommandError("another `badgectl verify --repair` is at work")


async def repair(
    topics: Topics, verification: Verification, database: Database, findings: Findings, show: Callable[[int], None]
) -> Sequence[Put]:
    """Put the events of the missing awards into the outbox; a relay publishes them.

    Raises:
        StorageError: it stopped; what is counted is done.
    """
    announcements = KafkaAnnouncements(topics)
    ledger = PostgresLedger(database)
    put: list[Put] = []
    async with aclosing(verification.missing(limit=AWARDS_PER_REPAIR)) as chunks:
        async for keys in chunks:
            async with database.reading() as connection:
                awards = await find_awards(connection, keys)
            messages = [announcements.badge_awarded(award, badge) for award, badge in awards]
            async with ledger.transaction() as transaction:
                last = await transaction.enqueue(messages)
            put.append(Put(upto=last, events=len(messages)))
            findings.repaired += len(messages)
            findings.pending += len(messages)
            show(findings.repaired)
    return put


async def wait_until_published(
    database: Database, put: Sequence[Put], findings: Findings, show: Callable[[int], None], *, patience: float
) -> None:
    """Return when nothing of it is in the outbox any more.

    Raises:
        CommandError: nothing has moved for `patience` seconds.
        StorageError: nobody can tell.
    """
    time = asyncio.get_running_loop().time
    moved_at = time()
    while findings.pending:
        async with database.reading() as connection:
            first = await first_in_outbox(connection)
        pending = sum(one.events for one in put if first is not None and one.upto >= first)
        if pending < findings.pending:
            findings.pending, moved_at = pending, time()
            show(findings.repaired - pending)
        elif time() - moved_at > patience:
            raise CommandError(
                f"{pending:,} events are still in the outbox: no relay publishes them. Does a worker run? "
                "See `badgectl lag`; then verify again"
            )
        else:
            await asyncio.sleep(LOOK_SECONDS)

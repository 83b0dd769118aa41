"""What the core needs of the outside, as protocols. `storage` and `messaging` fulfil them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.awards import Award, AwardKey, LogPosition, RawRecord, ReceivedRequest, Rejected, TraceHeaders
from domain.badges import Badge


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a (tenant, badge code) stands for now; `badge` is None where the code is unknown."""

    tenant_is_enabled: bool
    badge: Badge | None


class AwardTransaction(Protocol):
    """One database transaction of the worker. It commits when its context is left in peace."""

    async def find_definitions(self, codes: Iterable[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Definition]:
        """Return what is known of each (tenant, code); an unknown tenant has no entry.

        Holds the badges until the transaction ends: none can be deactivated meanwhile.
        """
        ...

    async def find_rejections(self, positions: Iterable[LogPosition]) -> Mapping[LogPosition, Rejected]:
        """Return what was rejected before, of the records at `positions`."""
        ...

    async def insert_awards(self, earned: Sequence[tuple[Award, LogPosition]]) -> set[AwardKey]:
        """Insert what is not there yet, each with where its request stands in the log.

        In the order of the primary key; returns what was new.
        """
        ...

    async def find_awards(self, keys: Iterable[AwardKey]) -> Mapping[AwardKey, Award]:
        """Return the awards among `keys` that exist."""
        ...

    async def insert_rejections(self, rejections: Sequence[tuple[ReceivedRequest, Rejected]]) -> set[LogPosition]:
        """Record what is rejected; return the positions that were not recorded before."""
        ...

    async def enqueue(self, messages: Sequence[bytes]) -> int:
        """Put the batch's packed messages into the outbox, as one row, and wake the relay.

        Returns the row's number there, the last one's where a large batch takes several.
        """
        ...

    def savepoint(self) -> AbstractAsyncContextManager[object]:
        """Undo what is done inside if it fails, and only that."""
        ...


class Ledger(Protocol):
    """Where awards are recorded."""

    def transaction(self) -> AbstractAsyncContextManager[AwardTransaction]:
        """Begin a transaction: committed at the end of the context, rolled back on any error.

        Raises:
            StorageUnavailableError: not now; the same again later may succeed.
            DataRefusedError: the data itself is refused.
        """
        ...


class Announcements(Protocol):
    """Makes the messages that tell of a decision. Their values are final."""

    def badge_awarded(self, award: Award, badge: Badge, trace: TraceHeaders = ()) -> bytes:
        """Pack the event of a new award, which carries the trace on."""
        ...

    def dead_letter(self, record: RawRecord, rejected: Rejected, at: datetime) -> bytes:
        """Pack the rejected record as it came, with the reason in its headers."""
        ...

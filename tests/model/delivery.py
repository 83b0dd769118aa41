"""The delivery protocol as a model: one worker, two relays, Kafka, Postgres, and what may go wrong.

It follows `docs/reliability.md`; `Rules` turns off one rule at a time. Every process does one step at a
time, in any order, and may be arbitrarily late: that is what a stopped process is, which goes on when
another has taken over. Faults are counted: without a bound nothing would ever end.

Left out: a second worker and rebalances (each statement of a batch is one step here, and absorbs a repetition),
rejected requests and dead letters (they go the same way as awards), the brake, repairs by operators, a database
restored from a backup, and the end of a transaction by its timeout. Tests on the real servers have those.
"""

from dataclasses import dataclass
from typing import NamedTuple

REQUESTS = (0, 0, 1)
"""The log: which award each request is for. The second one is a duplicate of the first."""

RELAYS = (0, 1)
MISSING = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of delivery; False leaves one out."""

    awards_before_offsets: bool = True
    fences: bool = True
    fences_before_watermark: bool = True
    discards_producer_in_doubt: bool = True
    awaits_every_send: bool = True
    retries_missing_watermark: bool = True
    demands_nonce: bool = True
    compares_with_mirror: bool = True
    deletes_after_transaction: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What may go wrong: so many crashes, stopped processes and lost answers in all.

    Where Kafka may forget the watermark for good, an operator decides when the relay refuses.
    """

    faults: int
    kafka_may_forget: bool = False


class Row(NamedTuple):
    """A row of the outbox, and its number once it is claimed."""

    award: int
    emit_seq: int | None


class Transaction(NamedTuple):
    """A transaction of the relays in Kafka. `upto` is the watermark in it."""

    messages: tuple[int, ...] = ()
    upto: int | None = None
    is_committing: bool = False


class Kafka(NamedTuple):
    """What Kafka holds; the open transactions by transactional id."""

    offset: int
    events: tuple[int, ...]
    watermark: int | None
    transactions: tuple[Transaction | None, ...]


class Worker(NamedTuple):
    """The worker: the next thing it does, and the batch it has in hand."""

    step: str = "read"
    start: int = 0
    end: int = 0


class Relay(NamedTuple):
    """A relay: the next thing it does, and what it believes.

    `has_session` is what Postgres knows of it, `is_newest` what Kafka does: whether nobody has fenced it since.
    """

    step: str = "lock"
    has_session: bool = False
    is_newest: bool = False
    watermark: int = 0
    rows: tuple[tuple[int, int], ...] = ()


class State(NamedTuple):
    """Everything."""

    kafka: Kafka
    awards: frozenset[int]
    outbox: tuple[Row, ...]
    mirror: int
    next_seq: int
    worker: Worker
    relays: tuple[Relay, ...]
    faults_left: int


def first_state(world: World) -> State:
    """Nothing has happened yet."""
    kafka = Kafka(0, (), None, (None,) * len(RELAYS))
    return State(kafka, frozenset(), (), 0, 1, Worker(), (Relay(),) * len(RELAYS), world.faults)


def is_done(state: State) -> bool:
    """Every request is decided, every event is out, nothing is left behind."""
    return state.kafka.offset == len(REQUESTS) and set(state.kafka.events) == set(REQUESTS) and not state.outbox


def fault(state: State) -> str | None:
    """Say which promise is broken, if one is."""
    kafka = state.kafka
    if len(set(kafka.events)) < len(kafka.events):
        return "an event is there twice"
    if not set(kafka.events) <= state.awards:
        return "an event has no award"
    if not set(REQUESTS[: kafka.offset]) <= state.awards:
        return "a request is lost"
    under_way = {row.award for row in state.outbox}
    for transaction in kafka.transactions:
        under_way |= set(transaction.messages) if transaction is not None and transaction.is_committing else set()
    if not state.awards <= under_way | set(kafka.events):
        return "an event is lost"
    return None

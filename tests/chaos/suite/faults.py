"""The faults, and the schedule that a seed makes of them."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

GATEWAYS = 2
WORKERS = 2
MOST_AT_ONCE = 2
FIRST_AT = 3.0
SHORTEST_GAP, LONGEST_GAP = 4.5, 9.0
"""Between a volley and the next: most single faults are recovered from undisturbed."""

SIZES = (1, 1, 1, 2, 3, 4)
"""Of volleys: a fault alone as often as several that fall into each other."""

LONG_ROUND = 600.0


class Kind(StrEnum):
    """What is done. `relay`: to the worker whose relay leads, whichever that is then."""

    KILL_GATEWAY = "kill_gateway"
    TERM_GATEWAY = "term_gateway"
    STOP_GATEWAY = "stop_gateway"
    KILL_WORKER = "kill_worker"
    TERM_WORKER = "term_worker"
    STOP_WORKER = "stop_worker"
    KILL_RELAY = "kill_relay"
    TERM_RELAY = "term_relay"
    STOP_RELAY = "stop_relay"
    KILL_KAFKA = "kill_kafka"
    TERM_KAFKA = "term_kafka"
    STOP_KAFKA = "stop_kafka"
    KILL_POSTGRES = "kill_postgres"
    TERM_POSTGRES = "term_postgres"
    READ_ONLY_POSTGRES = "read_only_postgres"
    BOTH_DOWN = "both_down"
    CUT_KAFKA = "cut_kafka"
    DELAY_KAFKA = "delay_kafka"
    STALL_KAFKA = "stall_kafka"
    CUT_POSTGRES = "cut_postgres"
    DELAY_POSTGRES = "delay_postgres"
    STALL_POSTGRES = "stall_postgres"
    REBALANCE = "rebalance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: begun `at` seconds into the round, held for `seconds`; 0 is a blow, and over at once."""

    number: int
    at: float
    kind: Kind
    target: str
    seconds: float

    @property
    def ends_at(self) -> float:
        """When nothing more holds down what was hit."""
        return self.at + self.seconds

    def as_json(self) -> dict[str, object]:
        """The fault as the report has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """How often a kind is dealt, whom it can hit, and for how long (seconds, short ones more often)."""

    weight: int
    targets: Sequence[str]
    shortest: float = 0.0
    longest: float = 0.0


_Begin = Callable[[random.Random, Sequence[Fault], set[str]], float]
"""When the next fault begins: after those so far, which are never none; given too what server it takes away."""

_GATEWAYS = [f"gateway-{number}" for number in range(GATEWAYS)]
_WORKERS = [f"worker-{number}" for number in range(WORKERS)]
_LINKS = [*_WORKERS, "relay", "all workers"]
_SHAPES = {
    Kind.KILL_GATEWAY: _Shape(weight=2, targets=_GATEWAYS),
    Kind.TERM_GATEWAY: _Shape(weight=1, targets=_GATEWAYS),
    Kind.STOP_GATEWAY: _Shape(weight=2, targets=_GATEWAYS, shortest=1, longest=40),
    Kind.KILL_WORKER: _Shape(weight=3, targets=_WORKERS),
    Kind.TERM_WORKER: _Shape(weight=2, targets=_WORKERS),
    Kind.STOP_WORKER: _Shape(weight=2, targets=_WORKERS, shortest=1, longest=40),
    Kind.KILL_RELAY: _Shape(weight=3, targets=["relay"]),
    Kind.TERM_RELAY: _Shape(weight=2, targets=["relay"]),
    Kind.STOP_RELAY: _Shape(weight=3, targets=["relay"], shortest=1, longest=40),
    Kind.KILL_KAFKA: _Shape(weight=3, targets=["kafka"], shortest=0.1, longest=10),
    Kind.TERM_KAFKA: _Shape(weight=2, targets=["kafka"], shortest=0.1, longest=5),
    Kind.STOP_KAFKA: _Shape(weight=1, targets=["kafka"], shortest=1, longest=15),
    Kind.KILL_POSTGRES: _Shape(weight=3, targets=["postgres"], shortest=0.1, longest=10),
    Kind.TERM_POSTGRES: _Shape(weight=2, targets=["postgres"], shortest=0.1, longest=5),
    Kind.READ_ONLY_POSTGRES: _Shape(weight=1, targets=["postgres"], shortest=1, longest=15),
    Kind.BOTH_DOWN: _Shape(weight=1, targets=["kafka and postgres"], shortest=60, longest=60),
    Kind.CUT_KAFKA: _Shape(weight=2, targets=_LINKS, shortest=0.1, longest=15),
    Kind.DELAY_KAFKA: _Shape(weight=1, targets=_LINKS, shortest=5, longest=15),
    Kind.STALL_KAFKA: _Shape(weight=2, targets=_LINKS, shortest=1, longest=20),
    Kind.CUT_POSTGRES: _Shape(weight=2, targets=_LINKS, shortest=0.1, longest=15),
    Kind.DELAY_POSTGRES: _Shape(weight=1, targets=_LINKS, shortest=5, longest=15),
    Kind.STALL_POSTGRES: _Shape(weight=2, targets=_LINKS, shortest=1, longest=20),
    Kind.REBALANCE: _Shape(weight=2, targets=["leaves", "is killed"], shortest=4, longest=12),
}


ALONE_GAP = 10.0
"""Between faults that are to be recovered from one by one."""


def schedule(
    *, seed: int, seconds: float, kinds: Iterable[Kind] = tuple(Kind), is_alone: bool = False
) -> Sequence[Fault]:
    """Deal the kinds like cards, each as often as it weighs; the same arguments give the same faults.

    They come alone or in volleys, at most two at once, or with `is_alone` one by one, with time to recover; all end
    within `seconds`.
    """
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    chosen = sorted(set(kinds))
    faults: list[Fault] = []
    deck: list[Kind] = []
    left = passed_over = 0  # `left` of the volley under way
    while passed_over < len(chosen):
        deck = deck or _shuffled(chance, chosen)
        follows = left > 0
        left = left - 1 if follows else chance.choice((1,) if is_alone else SIZES) - 1
        begin = _amid if follows else _alone if is_alone else _after_all
        fault = _deal(chance, deck.pop(), faults, seconds, begin)
        if fault.ends_at <= seconds:
            faults.append(fault)
        else:
            passed_over += 1
    return faults


def _deal(chance: random.Random, kind: Kind, faults: Sequence[Fault], seconds: float, begin: _Begin) -> Fault:
    shape = _SHAPES[kind]
    at = begin(chance, faults, _server_of(kind)) if faults else FIRST_AT
    held = _held(chance, shape, seconds)
    target = chance.choice(shape.targets)
    return Fault(number=len(faults) + 1, at=round(at, 2), kind=kind, target=target, seconds=round(held, 2))


def _shuffled(chance: random.Random, kinds: Sequence[Kind]) -> list[Kind]:
    """Every kind once first (it is dealt from the end), then the rest of the weights."""
    rest = [kind for kind in kinds for _ in range(_SHAPES[kind].weight - 1)]
    first = list(kinds)
    chance.shuffle(rest)
    chance.shuffle(first)
    return [*rest, *first]


def _after_all(chance: random.Random, faults: Sequence[Fault], _server: set[str]) -> float:
    """Some seconds after all before have ended."""
    return max(fault.ends_at for fault in faults) + chance.uniform(SHORTEST_GAP, LONGEST_GAP)


def _alone(_chance: random.Random, faults: Sequence[Fault], _server: set[str]) -> float:
    return max(fault.ends_at for fault in faults) + ALONE_GAP


def _amid(chance: random.Random, faults: Sequence[Fault], server: set[str]) -> float:
    """Soon after the last one has begun; later if too much is under way, or something about the same server."""
    last = faults[-1]
    at = last.at + chance.uniform(0.2, 1.0) * min(last.seconds or 2.0, 5.0)
    same = [fault.ends_at for fault in faults if server & _server_of(fault.kind)]
    ends = sorted(fault.ends_at for fault in faults)
    busy = ends[-MOST_AT_ONCE] if len(ends) >= MOST_AT_ONCE else 0.0
    return max(at, busy + 0.01, *(end + 0.2 for end in same))


def _server_of(kind: Kind) -> set[str]:
    """The servers that the fault takes away; links are ways, not servers."""
    if kind is Kind.BOTH_DOWN:
        return {"kafka", "postgres"}
    verb, _, what = kind.value.rpartition("_")
    return {what} & {"kafka", "postgres"} if verb in {"kill", "term", "stop", "read_only"} else set()


def _held(chance: random.Random, shape: _Shape, seconds: float) -> float:
    """Between shortest and longest, evenly on a logarithmic scale; short rounds have short faults."""
    if not shape.longest:
        return 0.0
    scale = min(1.0, seconds / LONG_ROUND)
    longest = max(shape.longest * scale, min(shape.longest, 4.0))
    shortest = min(shape.shortest, longest)
    return math.exp(chance.uniform(math.log(shortest), math.log(longest)))

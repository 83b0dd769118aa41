"""The experiments of one round, in their order: what is compared is next to each other."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from bench.errors import BenchError
from bench.measures import ceilings, drain, http, latency, memory, relay
from bench.setting import Figures, Setting, cpu_keys
from bench.table import MEASURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """`run` does it once and returns the figures that `gives` names."""

    name: str
    run: Callable[[Setting], Awaitable[Figures]]
    gives: tuple[str, ...]
    is_long: bool = False
    """Left out of a quick run."""

    is_once: bool = False
    """Done in the first round only."""


def _http_keys(name: str, *components: str) -> tuple[str, ...]:
    return (f"{name}_rps", f"{name}_p50_ms", f"{name}_p99_ms", *cpu_keys(name, *components))


def _award_keys(suffix: str) -> tuple[str, ...]:
    peers = (key for name in ("dual_write", "orm_dual_write") for key in _http_keys(f"{name}{suffix}", "app"))
    return (*_http_keys(f"http{suffix}", "gateway", "worker"), *peers)


EXPERIMENTS = (
    Experiment(
        name="bare insert loop",
        run=ceilings.bare_insert,
        gives=("bare_insert_per_second",),
    ),
    Experiment(
        name="drain, fresh and duplicates",
        run=drain.fresh_and_duplicates,
        gives=(
            "drain_per_second",
            "duplicates_per_second",
            *cpu_keys("drain", "worker"),
            *cpu_keys("duplicates", "worker"),
        ),
    ),
    Experiment(
        name="drain among many awards",
        run=drain.among_many_awards,
        gives=("drain_among_many_per_second", "award_bytes"),
        is_long=True,
    ),
    Experiment(
        name="drain, peer (a)",
        run=drain.one_by_one,
        gives=("one_by_one_per_second", "one_by_one_ack_first_per_second", *cpu_keys("one_by_one", "worker")),
    ),
    Experiment(
        name="drain, one and two workers",
        run=drain.one_and_two_workers,
        gives=("one_worker_per_second", "two_workers_per_second"),
    ),
    Experiment(
        name="one relay alone",
        run=relay.relay_alone,
        gives=("relay_per_second", *cpu_keys("relay", "worker")),
    ),
    Experiment(
        name="HTTP awards, 32 callers",
        run=http.many_callers,
        gives=(*_award_keys(""), *_http_keys("no_op", "app")),
    ),
    Experiment(
        name="HTTP awards, one caller",
        run=http.one_caller,
        gives=(*_award_keys("_single"), *_http_keys("no_op_single", "app")),
    ),
    Experiment(name="HTTP duplicates, 32 callers", run=http.duplicates, gives=_award_keys("_duplicates")),
    Experiment(
        name="lists, 32 callers",
        run=http.lists,
        gives=(*_http_keys("list", "gateway"), *_http_keys("bare_list", "app")),
    ),
    Experiment(
        name="latency of events",
        run=latency.event_latency,
        gives=("event_latency_p50_ms", "event_latency_p99_ms"),
    ),
    Experiment(
        name="produce and consume",
        run=ceilings.produce_and_consume,
        gives=("bare_produce_per_second", "bare_consume_per_second"),
    ),
    Experiment(name="Kafka transaction", run=ceilings.kafka_transaction, gives=("kafka_transaction_ms",)),
    Experiment(name="Postgres commit", run=ceilings.postgres_commit, gives=("postgres_commit_ms",)),
    Experiment(
        name="memory of the worker",
        run=memory.worker_memory,
        gives=("worker_rss_max_mb", "worker_rss_growth_mb"),
        is_long=True,
        is_once=True,
    ),
)


def chosen(only: Collection[str], *, is_quick: bool) -> Sequence[Experiment]:
    """Return the experiments that give what the keys ask for; without keys all, but for the long ones if quick.

    Raises:
        BenchError: a key is unknown.
    """
    if not only:
        return [one for one in EXPERIMENTS if not (is_quick and one.is_long)]
    needs = {measure.key: measure.needs for measure in MEASURES}
    given = {key for one in EXPERIMENTS for key in one.gives}
    unknown = sorted(key for key in only if key not in needs and key not in given)
    if unknown:
        raise BenchError(f"unknown: {', '.join(unknown)}; known: {', '.join([*needs, *sorted(given - needs.keys())])}")
    figures = {figure for key in only for figure in needs.get(key, frozenset({key}))}
    return [one for one in EXPERIMENTS if figures & set(one.gives)]

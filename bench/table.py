"""What is asked of the figures: each measure, how it comes from them, and its target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A limit, and on which side of it a value has to be."""

    side: Literal["at least", "at most"]
    limit: float

    def is_met(self, value: float) -> bool:
        """Whether the value is on the right side."""
        return value >= self.limit if self.side == "at least" else value <= self.limit

    def __str__(self) -> str:
        """Read like the sign and the limit."""
        return f"{'≥' if self.side == 'at least' else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One line of the table: `of` / `to` where there is a `to`, else the figure `of`."""

    key: str
    title: str
    of: str
    to: str | None = None
    target: Target

    @property
    def needs(self) -> frozenset[str]:
        """The figures that it comes from."""
        return frozenset({self.of} | ({self.to} if self.to else set()))

    def value(self, figures: Mapping[str, float]) -> float | None:
        """Work it out from the figures of one round; None if they are not all there."""
        if not self.needs <= figures.keys():
            return None
        return figures[self.of] / figures[self.to] if self.to else figures[self.of]


def _least(limit: float) -> Target:
    return Target(side="at least", limit=limit)


def _most(limit: float) -> Target:
    return Target(side="at most", limit=limit)


MEASURES = (
    Measure(
        key="drain_vs_one_by_one",
        title="drain of queued requests / peer (a)",
        of="drain_per_second",
        to="one_by_one_per_second",
        target=_least(50),
    ),
    Measure(
        key="drain_vs_bare_insert",
        title="drain of queued requests / bare insert loop",
        of="drain_per_second",
        to="bare_insert_per_second",
        target=_least(0.5),
    ),
    Measure(
        key="duplicates_vs_fresh",
        title="drain, all duplicates / all fresh",
        of="duplicates_per_second",
        to="drain_per_second",
        target=_least(1.5),
    ),
    Measure(
        key="http_rps_vs_dual_write",
        title="HTTP award, 32 clients: calls a second / peer (b)",
        of="http_rps",
        to="dual_write_rps",
        target=_least(1.5),
    ),
    Measure(
        key="http_p99_vs_dual_write",
        title="HTTP award, 32 clients: p99 / peer (b)",
        of="http_p99_ms",
        to="dual_write_p99_ms",
        target=_most(1.0),
    ),
    Measure(
        key="http_p50_single_vs_dual_write",
        title="HTTP award, 1 client: p50 / peer (b)",
        of="http_single_p50_ms",
        to="dual_write_single_p50_ms",
        target=_most(1.3),
    ),
    Measure(
        key="http_duplicates_vs_dual_write",
        title="HTTP duplicates, 32 clients: calls a second / peer (b)",
        of="http_duplicates_rps",
        to="dual_write_duplicates_rps",
        target=_least(2.0),
    ),
    Measure(
        key="list_vs_bare",
        title="list, 32 clients: calls a second / bare handler",
        of="list_rps",
        to="bare_list_rps",
        target=_least(0.8),
    ),
    Measure(
        key="event_latency_p50_ms",
        title="request published to event visible, p50, ms",
        of="event_latency_p50_ms",
        target=_most(40),
    ),
    Measure(
        key="event_latency_p99_ms",
        title="request published to event visible, p99, ms",
        of="event_latency_p99_ms",
        target=_most(150),
    ),
    Measure(
        key="growth_10m",
        title="drain among many awards / among none",
        of="drain_among_many_per_second",
        to="drain_per_second",
        target=_least(0.85),
    ),
    Measure(
        key="worker_rss_max_mb",
        title="memory of the worker, highest, MiB",
        of="worker_rss_max_mb",
        target=_most(200),
    ),
    Measure(
        key="two_workers_vs_one",
        title="drain with 2 workers / 1 worker, 6 partitions",
        of="two_workers_per_second",
        to="one_worker_per_second",
        target=_least(1.0),
    ),
)

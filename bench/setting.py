"""What every measure is given."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from bench.effort import Effort
from bench.installation import Installation, installation
from bench.servers import Servers
from bench.wrk import Wrk

Figures: TypeAlias = Mapping[str, float]
"""What was measured in one round, by key."""

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Setting:
    """The servers, the load generator, how much to do, and which round it is (from 0)."""

    servers: Servers
    wrk: Wrk
    effort: Effort
    kept: AsyncExitStack
    """Ends with the run."""

    round: int = 0
    grown: Installation | None = field(default=None, init=False)
    """The installation with many awards, once there is one."""

    def installation(self, *, partitions: int = 12) -> AbstractAsyncContextManager[Installation]:
        """Lend an empty installation."""
        return installation(self.servers, partitions=partitions)

    def in_turn(self, contenders: Sequence[T]) -> Sequence[T]:
        """Return the contenders in another order each round: nobody is always first."""
        first = self.round % len(contenders)
        return [*contenders[first:], *contenders[:first]]


def cpu_keys(prefix: str, *components: str) -> tuple[str, ...]:
    """The keys of processor time per request, in microseconds; Kafka's and Postgres's with those named."""
    return tuple(f"{prefix}_cpu_{component}_us" for component in (*components, "kafka", "postgres"))


def cpu_figures(prefix: str, microseconds: Mapping[str, float]) -> Figures:
    """Name processor times as `cpu_keys` does."""
    return {f"{prefix}_cpu_{component}_us": spent for component, spent in microseconds.items()}

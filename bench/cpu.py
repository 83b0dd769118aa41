"""Processor time of each component while something is measured."""

from collections.abc import Mapping, Sequence

from bench.installation import Installation
from bench.processes import Running


class CpuMeter:
    """Counts from its creation until it is stopped."""

    def __init__(self, place: Installation, services: Mapping[str, Sequence[Running]]) -> None:
        """`services` are the processes by the component that they are of: `gateway`, `worker`, …."""
        self._place = place
        self._services = services
        self._end: Mapping[str, float] | None = None
        self._start = self._now()

    def stop(self) -> None:
        """Take what was spent so far for all of it; when called again, what was spent until then."""
        self._end = self._now()

    def microseconds(self, requests: float) -> Mapping[str, float]:
        """Return the processor time per request, by component."""
        end = self._end or self._now()
        return {name: (seconds - self._start[name]) * 1e6 / requests for name, seconds in end.items()}

    def _now(self) -> Mapping[str, float]:
        services = {name: sum(one.cpu_seconds() for one in running) for name, running in self._services.items()}
        return {**services, **self._place.servers_cpu_seconds()}

"""What gateway and worker both tell of themselves, and the registry that the rest goes into."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics, generate_latest

from telemetry.metrics import CHECK_PASSES, POOL_CONNECTIONS, POOL_IN_USE


class ProcessMetrics:
    """The numbers of one process, in a registry of their own; `process_*` (memory, processor, open files) too."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # not typed; a second series for each, which nobody reads
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._check_passes = CHECK_PASSES.gauge(registry)
        self._pool_connections = POOL_CONNECTIONS.gauge(registry)
        self._pool_in_use = POOL_IN_USE.gauge(registry)

    def note_checks(self, passed: Mapping[str, bool]) -> None:
        """Tell which checks of `/readyz` pass now."""
        for check, passes in passed.items():
            self._check_passes.labels(check).set(passes)

    def note_pool(self, *, connections: int, in_use: int) -> None:
        """Tell how many connections to Postgres there may be, and how many are lent out now."""
        self._pool_connections.set(connections)
        self._pool_in_use.set(in_use)

    def exposition(self) -> bytes:
        """The numbers as Prometheus reads them."""
        return generate_latest(self.registry)

"""How much is done for a measure: the counts of a full run, or a part of them."""

from dataclasses import dataclass

LEAST_REQUESTS = 2_000
"""Below that a drain is over before it can be timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Counts of requests and rows, and seconds of load."""

    drained: int = 500_000
    drained_one_by_one: int = 5_000
    drained_by_two: int = 200_000
    awards_before: int = 10_000_000
    requests_for_memory: int = 5_000_000
    http_seconds: int = 10
    latency_seconds: int = 30
    latency_rate: int = 1_000
    produced: int = 200_000
    transactions: int = 300

    def scaled(self, factor: float) -> "Effort":
        """Return a part of it, though never so little that it says nothing at all."""

        def requests(number: int) -> int:
            return max(LEAST_REQUESTS, round(number * factor))

        return Effort(
            drained=requests(self.drained),
            drained_one_by_one=max(500, round(self.drained_one_by_one * factor)),
            drained_by_two=requests(self.drained_by_two),
            awards_before=requests(self.awards_before),
            requests_for_memory=requests(self.requests_for_memory),
            http_seconds=max(2, round(self.http_seconds * factor)),
            latency_seconds=max(4, round(self.latency_seconds * factor)),
            latency_rate=self.latency_rate,
            produced=requests(self.produced),
            transactions=max(50, round(self.transactions * factor)),
        )

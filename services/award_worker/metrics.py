"""The worker's numbers, in Prometheus form."""

import time
from collections.abc import Sequence

from award_worker.handler import Decision
from domain.awards import Awarded, Rejected, RejectionReason
from messaging.lag import PartitionLag
from storage.outbox import Backlog, ClaimedRow
from telemetry import metrics as names
from telemetry.process_metrics import ProcessMetrics


class WorkerMetrics(ProcessMetrics):
    """The numbers of one worker process, its relay's among them."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        requests = names.WORKER_REQUESTS.counter(registry)
        self._decided = {outcome: requests.labels(outcome) for outcome in ("awarded", "already_earned", "rejected")}
        self._rejections = names.WORKER_REJECTIONS.counter(registry)
        self._request_to_award_seconds = names.WORKER_REQUEST_TO_AWARD_SECONDS.batch_histogram(registry)
        self.batch_seconds = names.WORKER_BATCH_SECONDS.histogram(registry)
        self.batch_requests = names.WORKER_BATCH_REQUESTS.histogram(registry)
        self.retries = names.WORKER_RETRIES.counter(registry)
        self.commit_failures = names.WORKER_COMMIT_FAILURES.counter(registry)
        self.brake_is_on = names.WORKER_BRAKE_IS_ON.gauge(registry)
        self.brake_holds = names.WORKER_BRAKE_HOLDS.counter(registry)
        self._lag = names.LAG.gauge(registry)
        self._held = names.HELD.gauge(registry)
        self._lost = names.LOST.gauge(registry)
        self.relay_is_leader = names.RELAY_IS_LEADER.gauge(registry)
        self.relay_is_refusing = names.RELAY_IS_REFUSING.gauge(registry)
        self._relay_messages = names.RELAY_MESSAGES.counter(registry)
        self._award_to_event_seconds = names.RELAY_AWARD_TO_EVENT_SECONDS.batch_histogram(registry)
        self._relay_transaction_seconds = names.RELAY_TRANSACTION_SECONDS.histogram(registry)
        self.relay_failures = names.RELAY_FAILURES.counter(registry)
        self._outbox_batches = names.OUTBOX_BATCHES.gauge(registry)
        self._outbox_oldest_seconds = names.OUTBOX_OLDEST_SECONDS.gauge(registry)
        for reason in RejectionReason:
            self._rejections.labels(reason.value)

    def count(self, decisions: Sequence[Decision]) -> None:
        """Count what became of a batch just committed; what was rejected before has its dead letter already."""
        now_ms = time.time() * 1000
        timestamps = [decision.received.record.position.timestamp_ms for decision in decisions]
        # A producer may have given no time (-1), or have a clock that is ahead.
        self._request_to_award_seconds.observe_each(max(0.0, now_ms - at) / 1000 for at in timestamps if at >= 0)
        outcomes = [_outcome(decision) for decision in decisions]
        for outcome, decided in self._decided.items():
            decided.inc(outcomes.count(outcome))
        for decision in decisions:
            if decision.is_new and isinstance(decision.outcome, Rejected):
                self._rejections.labels(decision.outcome.reason.value).inc()

    def count_published(self, rows: Sequence[ClaimedRow], *, seconds: float) -> None:
        """Count rows of the outbox that one transaction of so many seconds has published."""
        self._relay_transaction_seconds.observe(seconds)
        self._relay_messages.inc(sum(row.message_count for row in rows))
        for row in rows:
            self._award_to_event_seconds.observe(row.waited_seconds + seconds, times=row.message_count)

    def note_backlog(self, backlog: Backlog) -> None:
        """Tell what waits in the outbox now."""
        self._outbox_batches.set(backlog.batches)
        self._outbox_oldest_seconds.set(backlog.oldest_seconds)

    def note_lag(self, lags: Sequence[PartitionLag]) -> None:
        """Tell how far the workers are behind now; nothing at all where that is not known."""
        for gauge in (self._lag, self._held, self._lost):
            gauge.clear()
        for lag in lags:
            self._lag.labels(lag.partition).set(lag.waiting)
            self._held.labels(lag.partition).set(lag.held)
            self._lost.labels(lag.partition).set(lag.lost)


def _outcome(decision: Decision) -> str:
    match decision.outcome:
        case Rejected():
            return "rejected"
        case Awarded(already_earned=already_earned):
            return "already_earned" if already_earned else "awarded"

"""The worker's numbers, in Prometheus form: every name stands here, with what it counts."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from award_worker.handler import Decision
from domain.awards import Awarded, Rejected, RejectionReason

_BATCH_SIZES = (1, 3, 10, 30, 100, 300, 1000)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class WorkerMetrics:
    """Counters of one worker process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("badges_worker_requests", "Requests decided", ["outcome"], registry=registry)
        self.rejections = Counter("badges_worker_rejections", "Requests dead-lettered", ["reason"], registry=registry)
        self.batch_seconds = Histogram(
            "badges_worker_batch_seconds",
            "From a batch's arrival to its commit in Postgres",
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_requests = Histogram(
            "badges_worker_batch_requests",
            "Requests in a batch",
            buckets=_BATCH_SIZES,
            registry=registry,
        )
        self.retries = Counter(
            "badges_worker_retries",
            "Batches tried again because Postgres could not answer",
            registry=registry,
        )
        self.commit_failures = Counter(
            "badges_worker_commit_failures",
            "Offset commits that failed: redelivery follows, and is harmless",
            registry=registry,
        )
        self.brake_is_on = Gauge(
            "badges_worker_brake_is_on",
            "1 while this worker holds its requests, for nearly all were rejected: see the runbook",
            registry=registry,
        )
        self.brake_holds = Counter("badges_worker_brake_holds", "Batches that the brake held", registry=registry)
        self.relay_is_leader = Gauge(
            "badges_relay_is_leader", "1 in the process whose relay is at work", registry=registry
        )
        self.relay_is_refusing = Gauge(
            "badges_relay_is_refusing",
            "1 while Kafka's watermark is below the mirror or above every number: see the runbook",
            registry=registry,
        )
        self.relay_messages = Counter("badges_relay_messages", "Events and dead letters published", registry=registry)
        self.relay_transaction_seconds = Histogram(
            "badges_relay_transaction_seconds",
            "One Kafka transaction of the relay",
            buckets=_SECONDS,
            registry=registry,
        )
        self.relay_failures = Counter("badges_relay_failures", "Leaderships that a failure ended", registry=registry)
        self.outbox_batches = Gauge(
            "badges_outbox_batches", "Worker batches that wait in the outbox, as the leader sees it", registry=registry
        )
        self.outbox_oldest_seconds = Gauge(
            "badges_outbox_oldest_seconds", "How long the oldest of them has waited", registry=registry
        )
        for outcome in ("awarded", "already_earned", "rejected"):
            self.requests.labels(outcome)
        for reason in RejectionReason:
            self.rejections.labels(reason.value)

    def count(self, decisions: Sequence[Decision]) -> None:
        """Count what became of a batch."""
        for decision in decisions:
            match decision.outcome:
                case Rejected(reason=reason):
                    self.requests.labels("rejected").inc()
                    self.rejections.labels(reason.value).inc()
                case Awarded(already_earned=already_earned):
                    self.requests.labels("already_earned" if already_earned else "awarded").inc()

    def exposition(self) -> bytes:
        """The numbers as Prometheus reads them."""
        return generate_latest(self.registry)

"""Every number that a process shows on `/metrics`: its name, what it says, its labels.

Names are in Prometheus's own style: base units, `_total` for what only grows. `docs/metrics.md` is for readers.
"""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from telemetry.batch_histogram import BatchHistogram

_ANSWER_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_WORK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DELAY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_BATCH_SIZES = (1, 3, 10, 30, 100, 300, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One name. A process that has the number registers it as what it is."""

    name: str
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def counter(self, registry: CollectorRegistry) -> Counter:
        """Register a number that only grows."""
        return Counter(self.name, self.says, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry) -> Gauge:
        """Register a number that goes up and down."""
        return Gauge(self.name, self.says, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        """Register how a number is spread."""
        return Histogram(self.name, self.says, self.labels, buckets=self.buckets, registry=registry)

    def batch_histogram(self, registry: CollectorRegistry) -> BatchHistogram:
        """Register how a number is spread that comes in thousands at once."""
        return BatchHistogram(self.name, self.says, buckets=self.buckets, registry=registry)


CHECK_PASSES = Metric(
    name="badges_check_passes",
    says="1 while this check of /readyz passes, made when the metrics are read",
    labels=("check",),
)
POOL_CONNECTIONS = Metric(
    name="badges_database_pool_connections", says="Connections to Postgres that the pool may have"
)
POOL_IN_USE = Metric(name="badges_database_pool_in_use", says="Connections of the pool that are lent out")

API_REQUESTS = Metric(
    name="badges_api_requests_total", says="HTTP requests answered", labels=("method", "route", "status")
)
API_REQUEST_SECONDS = Metric(
    name="badges_api_request_seconds",
    says="From a request's arrival to the end of its answer",
    labels=("route",),
    buckets=_ANSWER_SECONDS,
)
API_UNDER_WAY = Metric(name="badges_api_requests_under_way", says="HTTP requests that are being answered")
API_AWARDS = Metric(
    name="badges_api_awards_total",
    says="Award calls by what they were answered: awarded, already_earned, accepted (202), or the code of the error",
    labels=("outcome",),
)
API_AWARDS_WAITING = Metric(
    name="badges_api_awards_waiting", says="Award calls that wait for the worker's answer; 5,000 at most"
)
API_RATE_LIMIT_FAILURES = Metric(
    name="badges_api_rate_limit_failures_total",
    says="Award calls whose count is not known because Redis could not be reached",
)
API_OUTCOME_READER_IS_READY = Metric(
    name="badges_api_outcome_reader_is_ready", says="1 while the outcomes of award calls are seen"
)

WORKER_REQUESTS = Metric(name="badges_worker_requests_total", says="Requests decided", labels=("outcome",))
WORKER_REJECTIONS = Metric(
    name="badges_worker_rejections_total", says="Requests rejected, each with a dead letter", labels=("reason",)
)
WORKER_REQUEST_TO_AWARD_SECONDS = Metric(
    name="badges_worker_request_to_award_seconds",
    says="From the timestamp of a request's record to the commit of its decision in Postgres",
    buckets=_DELAY_SECONDS,
)
WORKER_BATCH_SECONDS = Metric(
    name="badges_worker_batch_seconds",
    says="From a batch's arrival to its commit in Postgres",
    buckets=_WORK_SECONDS,
)
WORKER_BATCH_REQUESTS = Metric(name="badges_worker_batch_requests", says="Requests in a batch", buckets=_BATCH_SIZES)
WORKER_RETRIES = Metric(
    name="badges_worker_retries_total", says="Batches tried again because Postgres could not answer"
)
WORKER_COMMIT_FAILURES = Metric(
    name="badges_worker_commit_failures_total",
    says="Offset commits that failed: redelivery follows, and is harmless",
)
WORKER_BRAKE_IS_ON = Metric(
    name="badges_worker_brake_is_on",
    says="1 while this worker holds its requests, for nearly all were rejected: see the runbook",
)
WORKER_BRAKE_HOLDS = Metric(name="badges_worker_brake_holds_total", says="Batches that the brake held")

LAG = Metric(
    name="badges_award_requests_lag",
    says="Requests of a partition that no worker has done; every worker tells it of all partitions",
    labels=("partition",),
)
HELD = Metric(
    name="badges_award_requests_held",
    says="Those of them that an upstream producer's open transaction holds back",
    labels=("partition",),
)
LOST = Metric(
    name="badges_award_requests_lost",
    says="Requests of a partition that Kafka deleted before a worker had done them, until a worker has gone on",
    labels=("partition",),
)

RELAY_IS_LEADER = Metric(name="badges_relay_is_leader", says="1 in the process whose relay is at work")
RELAY_IS_REFUSING = Metric(
    name="badges_relay_is_refusing",
    says="1 while Kafka's watermark is below the mirror or above every number: see the runbook",
)
RELAY_MESSAGES = Metric(name="badges_relay_messages_total", says="Events and dead letters published")
RELAY_AWARD_TO_EVENT_SECONDS = Metric(
    name="badges_relay_award_to_event_seconds",
    says="From the transaction that made an event or a dead letter to its commit on Kafka",
    buckets=_DELAY_SECONDS,
)
RELAY_TRANSACTION_SECONDS = Metric(
    name="badges_relay_transaction_seconds", says="One Kafka transaction of the relay", buckets=_WORK_SECONDS
)
RELAY_FAILURES = Metric(name="badges_relay_failures_total", says="Leaderships that a failure ended")
OUTBOX_BATCHES = Metric(
    name="badges_outbox_batches", says="Worker batches that wait in the outbox; every worker tells the same"
)
OUTBOX_OLDEST_SECONDS = Metric(name="badges_outbox_oldest_seconds", says="How long the oldest of them has waited")

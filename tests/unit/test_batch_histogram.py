"""Our histogram for batches tells what prometheus_client's own would."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from telemetry.batch_histogram import BatchHistogram
from telemetry.process_metrics import ProcessMetrics

BUCKETS = (0.1, 0.5, 2)
NUMBERS = (0.0, 0.1, 0.1000001, 0.5, 1, 2, 3, 3)


def test_numbers_are_counted_as_prometheus_client_counts_them() -> None:
    ProcessMetrics()  # from now on no series beside each tells when it was made
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    single = Histogram("seconds", "So long", buckets=BUCKETS, registry=theirs)
    for number in NUMBERS:
        single.observe(number)
    batch = BatchHistogram("seconds", "So long", buckets=BUCKETS, registry=ours)
    batch.observe_each(NUMBERS[:-2])
    batch.observe(3, times=2)
    assert generate_latest(ours) == generate_latest(theirs)


def test_histogram_without_numbers_is_shown() -> None:
    registry = CollectorRegistry()
    BatchHistogram("seconds", "So long", buckets=BUCKETS, registry=registry)
    assert registry.get_sample_value("seconds_bucket", {"le": "+Inf"}) == 0
    assert registry.get_sample_value("seconds_count") == 0

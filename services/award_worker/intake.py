"""The FastStream subscriber: a batch in, outcomes out, offsets to be committed. No rules here."""

from collections.abc import Callable, Sequence
from typing import NoReturn

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from award_worker.brake import BrakeHeldError
from award_worker.failures import with_patience
from award_worker.handler import AwardHandler, Decision, answers
from award_worker.holding import Holding
from award_worker.metrics import WorkerMetrics
from award_worker.offsets import OffsetCommits
from award_worker.same_topic import SameTopic
from domain.awards import LogPosition, RawRecord
from domain.times import Clock
from messaging.award_requested import decode_request
from messaging.outcome_publisher import OutcomePublisher
from messaging.topics import Topics

Records = Sequence[ConsumerRecord]

log = structlog.get_logger()


class Intake:
    """Takes batches from Kafka to the handler. A batch is either done or comes again."""

    def __init__(
        self,
        *,
        handler: AwardHandler,
        outcomes: OutcomePublisher,
        commits: OffsetCommits,
        holding: Holding,
        metrics: WorkerMetrics,
        clock: Clock,
        leave: Callable[[], NoReturn],
    ) -> None:
        """`leave` ends the process at once; the supervisor starts another."""
        self._handler = handler
        self._outcomes = outcomes
        self._commits = commits
        self._holding = holding
        self._metrics = metrics
        self._clock = clock
        self._leave = leave

    def subscribe(
        self,
        broker: KafkaBroker,
        topics: Topics,
        *,
        batch_size: int,
        instance_id: str | None,
        same_topic: SameTopic,
    ) -> None:
        """Register with the broker, by the rules for the worker in `docs/reliability.md`."""
        subscriber = broker.subscriber(
            topics.award_requests,
            group_id=topics.worker_group,
            group_instance_id=instance_id,
            batch=True,
            max_records=batch_size,
            batch_timeout_ms=10,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_raw_message,
            decoder=_raw_records,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=6000,
            heartbeat_interval_ms=2000,
            rebalance_timeout_ms=30_000,
            max_poll_interval_ms=300_000,
            fetch_max_wait_ms=100,
            listener=same_topic,
        )
        same_topic.guard(lambda: subscriber.consumer, self._commits.settled)

        @subscriber
        async def award_requests(records: Records) -> None:
            is_done = await self._take(records)
            consumer = subscriber.consumer
            if consumer is None:
                return
            if is_done:
                self._commits.note(records)
            else:
                self._hold(consumer, records)

    async def _take(self, records: Records) -> bool:
        """Decide the batch, unless the brake holds it; any failure that is not understood ends the process.

        FastStream would log it and go on with the next batch: this one would be lost.
        """
        try:
            with self._metrics.batch_seconds.time():
                decisions = await self._decide(records)
        except BrakeHeldError:
            return False
        except Exception:
            log.exception("batch.failed", records=len(records))
            self._leave()
        self._metrics.batch_requests.observe(len(records))
        self._metrics.count(decisions)
        self._outcomes.publish(answers(decisions))
        return True

    def _hold(self, consumer: AIOKafkaConsumer, records: Records) -> None:
        """A batch that could not be given back would pass for done with the next commit: then the process ends."""
        try:
            self._holding.hold(consumer, records)
        except Exception:
            log.exception("batch.not_given_back", records=len(records))
            self._leave()

    async def _decide(self, records: Records) -> Sequence[Decision]:
        now = self._clock()
        batch = [decode_request(_raw_record(record), now=now) for record in records]
        return await with_patience(lambda: self._handler.handle(batch), on_retry=self._note_retry)

    def _note_retry(self, error: BaseException) -> None:
        self._metrics.retries.inc()
        log.warning("batch.retried", error=str(error))


async def _raw_message(records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    """Replace FastStream's parser, which fails on a header that is not UTF-8 and skips the batch."""
    return KafkaMessage(raw_message=records, body=b"", consumer=FAKE_CONSUMER)


async def _raw_records(message: KafkaMessage) -> Records:
    """Hand over the records as they came; `messaging.award_requested` decodes them."""
    return message.raw_message


def _raw_record(record: ConsumerRecord) -> RawRecord:
    return RawRecord(
        position=LogPosition(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
        ),
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )

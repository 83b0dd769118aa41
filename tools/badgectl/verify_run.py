"""`badgectl verify`: awards against events, in constant memory, while the service is at work.

The order makes it right under load. Events are read up to now; then the awards and the outbox are looked at in
one snapshot; then the events that have come meanwhile are read. What was committed before the snapshot is thereby
known: an award of the snapshot whose event is neither read nor in the outbox has none, and will have none.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka import ConsumerRecord

from domain.awards import AwardKey
from messaging.award_events import award_told, is_replay
from messaging.outbox_payload import unpack_messages
from messaging.settings import KafkaSettings
from messaging.topic_scan import TopicScan, open_scan
from messaging.topics import topics_of
from storage.verification import Difference, Example, Verification

EXAMPLES = 10
EVENTS_PER_COPY = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPlan:
    """What to compare; None stands for all tenants."""

    kafka: KafkaSettings
    tenant_ids: Sequence[UUID] | None


@dataclass(slots=True)
class Findings:
    """What was read, and what differs."""

    events: int = 0
    replays: int = 0
    waiting: int = 0
    """Awards whose event is in the outbox."""

    unreadable: int = 0
    unreadable_at: list[tuple[int, int]] = field(default_factory=list)
    """Partition and offset of the first records that are no events of ours."""

    trimmed: Mapping[int, int] = field(default_factory=dict)
    """Partitions that do not begin at offset 0, and where they begin: what was before is gone."""

    counts: Mapping[Difference, int] = field(default_factory=dict)
    missing_replayed: int = 0
    """Of the missing: those of which there are replays."""

    examples: Mapping[Difference, Sequence[Example]] = field(default_factory=dict)
    repaired: int = 0
    pending: int = 0
    """Of the repaired: those still in the outbox."""

    is_complete: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nothing differs, or no longer."""
        unrepaired = sum(self.counts.values()) - self.repaired
        return self.is_complete and not unrepaired and not self.unreadable and not self.pending


Show = Callable[[TopicScan, Findings], None]


async def compare(plan: VerifyPlan, verification: Verification, findings: Findings, show: Show) -> None:
    """Read everything, and fill in the findings.

    Raises:
        KafkaError, StorageError, TopicHeldBackError, TopicOvertakenError: it could not be compared.
    """
    topic = topics_of(plan.kafka).badge_awarded
    await verification.begin()
    async with open_scan(plan.kafka, topic) as scan:
        findings.trimmed = {partition: first for partition, first in scan.first_offsets.items() if first}
        reading = _Reading(plan, verification, findings)
        await reading.take_events(scan, show)
        await verification.open_snapshot()
        await reading.take_waiting(topic)
        await reading.take_events(scan, show)
    differences = await verification.compare(plan.tenant_ids)
    findings.counts = {kind: count for kind, (count, _) in differences.items()}
    findings.missing_replayed = differences.get(Difference.MISSING, (0, 0))[1]
    findings.examples = {kind: await verification.examples(kind, EXAMPLES) for kind in findings.counts}
    findings.is_complete = True


class _Reading:
    """Takes what is read to Postgres, in chunks."""

    def __init__(self, plan: VerifyPlan, verification: Verification, findings: Findings) -> None:
        self._tenant_ids = None if plan.tenant_ids is None else frozenset(plan.tenant_ids)
        self._verification = verification
        self._findings = findings

    async def take_events(self, scan: TopicScan, show: Show) -> None:
        async with aclosing(scan.records()) as batches:
            async for records in batches:
                for first in range(0, len(records), EVENTS_PER_COPY):
                    await self._take_chunk(records[first : first + EVENTS_PER_COPY])
                show(scan, self._findings)

    async def take_waiting(self, topic: str) -> None:
        async with aclosing(self._verification.waiting_payloads()) as payloads:
            async for payload in payloads:
                told = [award_told(message) for message in unpack_messages(payload) if message.topic == topic]
                awards = [award for award in told if award is not None and self._is_wanted(award)]
                self._findings.waiting += len(awards)
                await self._verification.add_waiting(awards)

    async def _take_chunk(self, records: Sequence[ConsumerRecord]) -> None:
        events: list[tuple[UUID, str, UUID, bool]] = []
        for record in records:
            award = award_told(record)
            if award is None:
                self._note_unreadable(record)
            elif self._is_wanted(award):
                events.append((*award, is_replay(record)))
        self._findings.events += len(events)
        self._findings.replays += sum(replay for *_, replay in events)
        await self._verification.add_events(events)

    def _is_wanted(self, award: AwardKey) -> bool:
        return self._tenant_ids is None or award[0] in self._tenant_ids

    def _note_unreadable(self, record: ConsumerRecord) -> None:
        if self._tenant_ids is not None:
            return  # nobody can tell whose it is
        self._findings.unreadable += 1
        if len(self._findings.unreadable_at) < EXAMPLES:
            self._findings.unreadable_at.append((record.partition, record.offset))

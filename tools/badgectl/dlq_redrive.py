"""`badgectl dlq redrive`: dead letters become requests again.

A letter is published first and noted then. Whoever is killed in between publishes it twice, which is
harmless: an award is made once, however often it is asked for; a request that is rejected again is one
dead letter more.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice

from badgectl.dlq_letters import CLOCK_SLACK
from badgectl.paced_publisher import PacedPublisher, finished
from domain.awards import LogPosition
from messaging.clients import create_producer, start_producer, stop_producer
from messaging.dead_letters import DeadLetter, read_dead_letter, redriven_headers
from messaging.outbox_payload import OutboxMessage, hash_of_key
from messaging.settings import KafkaSettings
from messaging.topic_scan import TopicScan, open_scan
from messaging.topics import topics_of
from storage.database import Database
from storage.rejections import RejectionFilter, SoughtRow, find_rows, note_redriven


class Verdict(StrEnum):
    """What became of a dead letter that the filter let through."""

    PUBLISHED = "published"
    REDRIVEN_BEFORE = "redriven_before"
    TRIED_TOO_OFTEN = "tried_too_often"
    CUT = "cut"
    TOO_LARGE = "too_large"
    NO_LONGER_KEPT = "no_longer_kept"
    """Its row was trimmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveOptions:
    """How to redrive: at most `limit` letters, at most `rate` a second, none that had `most_tries`.

    `again`: also those that were redriven before. A rehearsal publishes and notes nothing.
    """

    limit: int | None
    most_tries: int
    again: bool
    rate: float | None
    is_rehearsal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrivePlan:
    """Which letters, and how."""

    kafka: KafkaSettings
    database: Database
    wanted: RejectionFilter
    since: datetime | None
    """When the first letter to look at was written; None for all of them."""

    options: RedriveOptions


@dataclass(slots=True)
class RedriveTally:
    """What a run has come to so far."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Of those published."""

    is_complete: bool = False
    """Whether every wanted letter was met, or as many were published as were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A letter to publish, and its row."""

    letter: DeadLetter
    position: LogPosition


async def redrive(plan: RedrivePlan, tally: RedriveTally, show: Callable[[TopicScan, RedriveTally], None]) -> None:
    """Publish every wanted letter up to the topic's end of now; a letter that comes back is not met again.

    Raises:
        KafkaError, StorageError: it cannot go on; what is tallied is done.
    """
    topics = topics_of(plan.kafka)
    producer = create_producer(plan.kafka)
    try:
        await start_producer(plan.kafka, producer)
        partitions = len(await producer.partitions_for(topics.award_requests))
        publisher = PacedPublisher(producer, topics.award_requests, partitions=partitions, rate=plan.options.rate)
        run = _Run(plan, tally, publisher)
        since = None if plan.since is None else plan.since - CLOCK_SLACK
        async with (
            open_scan(plan.kafka, topics.award_requests_dlq, since=since) as scan,
            aclosing(scan.records()) as batches,
        ):
            async for records in batches:
                letters = (letter for record in records if (letter := read_dead_letter(record)) is not None)
                while not run.is_full and (chunk := list(islice(letters, publisher.chunk))):
                    await run.take(chunk)
                    show(scan, tally)
                if run.is_full:
                    break
        tally.is_complete = True
    finally:
        await stop_producer(producer)


class _Run:
    """Decides on letters, publishes those that are due, and notes it."""

    def __init__(self, plan: RedrivePlan, tally: RedriveTally, publisher: PacedPublisher) -> None:
        self._plan = plan
        self._tally = tally
        self._publisher = publisher

    @property
    def is_full(self) -> bool:
        """Whether as many are published as were asked for."""
        return self._room is not None and self._room <= 0

    @property
    def _room(self) -> int | None:
        limit = self._plan.options.limit
        return None if limit is None else limit - self._tally.verdicts[Verdict.PUBLISHED]

    async def take(self, letters: Sequence[DeadLetter]) -> None:
        """Publish those of the letters that are wanted and due."""
        due = (await self._due(letters))[: self._room]
        if self._plan.options.is_rehearsal:
            self._count(due)
        elif due:
            await self._publisher.pause()
            await finished(self._publish(due))

    async def _due(self, letters: Sequence[DeadLetter]) -> Sequence[_Due]:
        sought = [
            SoughtRow(
                topic=letter.place.topic,
                partition=letter.place.partition,
                offset=letter.place.offset,
                timestamp_ms=letter.place.timestamp_ms,
                time=letter.place.time,
            )
            for letter in letters
        ]
        async with self._plan.database.reading() as connection:
            rows = await find_rows(connection, self._plan.wanted, sought)
        kept = {row.number for row in rows}
        trimmed = [letter for number, letter in enumerate(letters) if number not in kept]
        self._tally.verdicts[Verdict.NO_LONGER_KEPT] += sum(
            _seems_wanted(letter, self._plan.wanted) for letter in trimmed
        )
        due: list[_Due] = []
        for row in sorted((row for row in rows if row.is_wanted), key=lambda row: row.number):
            letter = letters[row.number]
            verdict = self._refusal(letter, is_redriven=row.is_redriven)
            if verdict is None:
                due.append(_Due(letter=letter, position=row.position))
            else:
                self._tally.verdicts[verdict] += 1
        return due

    def _refusal(self, letter: DeadLetter, *, is_redriven: bool) -> Verdict | None:
        if is_redriven and not self._plan.options.again:
            return Verdict.REDRIVEN_BEFORE
        if letter.cut_from is not None:
            return Verdict.CUT
        if letter.redrive_count >= self._plan.options.most_tries:
            return Verdict.TRIED_TOO_OFTEN
        return None

    async def _publish(self, due: Sequence[_Due]) -> None:
        messages = [_message(one.letter) for one in due]
        # With the time it had: it may be all that says when the award was earned.
        times = [_timestamp(one.position) for one in due]
        taken = await self._publisher.publish(messages, timestamps=times)
        published = [one for one, is_taken in zip(due, taken, strict=True) if is_taken]
        async with self._plan.database.transaction() as connection:
            await note_redriven(connection, [one.position for one in published])
        self._count(published)
        self._tally.verdicts[Verdict.TOO_LARGE] += len(due) - len(published)

    def _count(self, published: Sequence[_Due]) -> None:
        self._tally.verdicts[Verdict.PUBLISHED] += len(published)
        self._tally.reasons.update(one.letter.reason for one in published)


def _seems_wanted(letter: DeadLetter, wanted: RejectionFilter) -> bool:
    """Whether the filter lets the letter through, by all that can be told where there is no row any more."""
    place, key = letter.place, letter.key or b""
    return (
        (wanted.places is None or (place.topic, place.partition, place.offset) in wanted.places)
        and (wanted.reasons is None or letter.reason in wanted.reasons)
        and (wanted.since is None or place.time >= wanted.since)
        and (wanted.until is None or place.time < wanted.until)
        and (wanted.badge_codes is None or _badge_code(letter) in wanted.badge_codes)
        and (wanted.tenant_ids is None or any(key.startswith(b"%s:" % str(id_).encode()) for id_ in wanted.tenant_ids))
    )


def _badge_code(letter: DeadLetter) -> object:
    """The code in the request, in either mode of CloudEvents; None for what cannot be read."""
    try:
        body = json.loads(letter.value or b"")
    except (ValueError, RecursionError):
        return None
    found = body.get("data", body) if isinstance(body, dict) else None
    return found.get("badge_code") if isinstance(found, dict) else None


def _message(letter: DeadLetter) -> OutboxMessage:
    return OutboxMessage(
        topic=letter.place.topic,
        partition_hash=letter.place.partition if letter.key is None else hash_of_key(letter.key),
        key=letter.key,
        value=letter.value,
        headers=tuple(redriven_headers(letter)),
    )


def _timestamp(position: LogPosition) -> int | None:
    return position.timestamp_ms if position.timestamp_ms >= 0 else None

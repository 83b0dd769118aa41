"""`badgectl replay`: the events of awards once more, from Postgres, in constant memory."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from aiokafka.errors import UnknownTopicOrPartitionError

from badgectl.failures import RIGHT_CLUSTER, CommandError
from badgectl.paced_publisher import PacedPublisher, finished
from domain.awards import Award, AwardKey
from domain.badges import Badge
from messaging.announcements import award_message, replayed
from messaging.clients import create_producer, start_producer, stop_producer
from messaging.settings import KafkaSettings
from storage.award_export import AwardFilter, read_awards
from storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """Which awards, from behind which one on, to which topic, and how fast."""

    kafka: KafkaSettings
    database: Database
    wanted: AwardFilter
    topic: str
    after: AwardKey | None
    rate: float | None


@dataclass(slots=True)
class Replayed:
    """How far a replay is."""

    events: int = 0
    last: AwardKey | None = None
    """Up to and with this award everything that is wanted is published."""

    is_complete: bool = False


async def replay(plan: ReplayPlan, so_far: Replayed, show: Callable[[int], None]) -> None:
    """Publish the event of every wanted award, with its id, key and partition, marked as a replay.

    Raises:
        CommandError: there is no such topic.
        KafkaError, StorageError: it stopped; `so_far` says where.
    """
    producer = create_producer(plan.kafka)
    try:
        await start_producer(plan.kafka, producer)
        try:
            partitions = len(await producer.partitions_for(plan.topic))
        except UnknownTopicOrPartitionError as error:
            raise CommandError(f"there is no topic {plan.topic!r}. {RIGHT_CLUSTER} If so, create it first") from error
        publisher = PacedPublisher(producer, plan.topic, partitions=partitions, rate=plan.rate)
        async with aclosing(read_awards(plan.database, plan.wanted, after=plan.after)) as pages:
            async for page in pages:
                for first in range(0, len(page.awards), publisher.chunk):
                    await publisher.pause()
                    await finished(_publish(plan, publisher, page.awards[first : first + publisher.chunk], so_far))
                    show(so_far.events)
                so_far.last = page.last
        so_far.is_complete = True
    finally:
        await stop_producer(producer)


async def _publish(
    plan: ReplayPlan, publisher: PacedPublisher, awards: Sequence[tuple[Award, Badge]], so_far: Replayed
) -> None:
    messages = [replayed(award_message(plan.topic, award, badge)) for award, badge in awards]
    for (award, _), is_taken in zip(awards, await publisher.publish(messages), strict=True):
        if not is_taken:
            raise CommandError(f"the topic {plan.topic!r} does not take events as large as that of {award.key}")
    so_far.events += len(awards)
    so_far.last = awards[-1][0].key


def token_of(place: AwardKey) -> str:
    """Return the place as text for the option `--after`, whatever characters a participant's id has."""
    tenant_id, participant_id, badge_id = place
    return base64.urlsafe_b64encode(json.dumps([str(tenant_id), participant_id, str(badge_id)]).encode()).decode()


def place_of_token(token: str) -> AwardKey:
    """Return the place that `token_of` made the text of.

    Raises:
        CommandError: it is not such a text.
    """
    try:
        tenant_id, participant_id, badge_id = json.loads(base64.urlsafe_b64decode(token.encode()))
        return UUID(tenant_id), str(participant_id), UUID(badge_id)
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise CommandError("--after takes what an interrupted replay printed") from error

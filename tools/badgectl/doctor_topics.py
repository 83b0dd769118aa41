"""The topics: are they there, alike, kept long enough and often enough?"""

from collections.abc import Iterator, Mapping, Sequence

from aiokafka.client import AIOKafkaClient

from badgectl.doctor_findings import Check, Finding, failure, fine, warning
from badgectl.doctor_topic_rules import RULES, TopicRule
from messaging.kafka_facts import TopicFacts, brokers_of, find_topics
from messaging.topics import NONCE_PARTITION, SAFE_COPIES, Topics

INTERNAL = ("__consumer_offsets", "__transaction_state")
"""Where Kafka keeps the watermark of the relay and its transactions; made when they are first needed."""

SAFE_IN_SYNC = 2

_NOTHING = warning("none of our topics is there: nothing to judge", "`badgectl topics` creates them")


def topic_checks(client: AIOKafkaClient, topics: Topics) -> Sequence[Check]:
    """Return what is checked of the topics."""

    async def look_at_partitions() -> Sequence[Finding]:
        return judge_partitions(topics, await find_topics(client, names_of(topics)))

    async def look_at_settings() -> Sequence[Finding]:
        return judge_settings(topics, await find_topics(client, names_of(topics)))

    async def look_at_copies() -> Sequence[Finding]:
        found = await find_topics(client, [*names_of(topics), *INTERNAL])
        return judge_copies(found, brokers=len(brokers_of(client)))

    return [
        Check(name="topics", look=look_at_partitions),
        Check(name="topic settings", look=look_at_settings),
        Check(name="topic replicas", look=look_at_copies),
    ]


def names_of(topics: Topics) -> Sequence[str]:
    """Return the names of all our topics."""
    return [
        topics.award_requests,
        topics.badge_awarded,
        topics.award_requests_dlq,
        topics.award_outcomes,
        topics.relay_marker,
    ]


def judge_partitions(topics: Topics, found: Mapping[str, TopicFacts]) -> Sequence[Finding]:
    """Judge which topics there are, and how many partitions they have."""
    missing = [name for name in names_of(topics) if name not in found]
    if missing:
        remedy = "`badgectl topics` creates them, if BADGES_KAFKA_BOOTSTRAP and BADGES_KAFKA_PREFIX are right"
        return [failure(f"missing: {', '.join(missing)}", remedy)]
    findings = [
        failure(
            f"{each.name}: no broker leads partition {', '.join(headless)}",
            "start the brokers that have them: nothing is written or read there until then",
        )
        for each in found.values()
        if (headless := [str(one.number) for one in each.partitions if one.leader < 0])
    ]
    if len(found[topics.relay_marker].partitions) <= NONCE_PARTITION:
        findings.append(
            failure(f"{topics.relay_marker} has one partition, the relay needs two", "add a partition to it")
        )
    counts = {name: len(found[name].partitions) for name in names_of(topics)[:3]}
    if len({*counts.values()}) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        findings.append(
            warning(
                f"the numbers of partitions differ: {said}; a participant's request, event and dead letter have "
                "different partitions",
                "harmless to the service; consumers that join these topics by partition need them alike",
            )
        )
    return findings or [fine(f"all {len(found)} are there, {counts[topics.award_requests]} partitions")]


def judge_settings(topics: Topics, found: Mapping[str, TopicFacts]) -> Sequence[Finding]:
    """Judge how long and how records are kept."""
    if not found:
        return [_NOTHING]
    wrong = [
        finding
        for rule in RULES
        for name in rule.names(topics)
        if name in found
        for finding in _judged(rule, found[name])
    ]
    return wrong or [fine("retention, sizes and clean-up are right")]


def _judged(rule: TopicRule, topic: TopicFacts) -> Iterator[Finding]:
    value = topic.settings.get(rule.setting)
    if value is not None and not rule.is_met(value):
        yield Finding(
            level=rule.level,
            said=f"{topic.name}: {rule.setting} is {value}: {rule.otherwise}",
            remedy=f"kafka-configs.sh --alter --topic {topic.name} --add-config {rule.setting}={rule.wanted}",
        )


def judge_copies(found: Mapping[str, TopicFacts], *, brokers: int) -> Sequence[Finding]:
    """Judge how many copies there are of each record, and how many must have it before it is acknowledged."""
    if not found:
        return [_NOTHING]
    findings = [finding for topic in found.values() for finding in _judged_copies(topic)]
    single = sorted(topic.name for topic in found.values() if _fewest_copies(topic) == 1)
    if single:
        there = "there is one broker" if brokers == 1 else f"there are {brokers} brokers"
        findings.append(
            warning(
                f"one copy only ({there}) of {', '.join(single)}: what is lost with its disk is lost for ever",
                "fine for a trial; production: 3 brokers, BADGES_KAFKA_REPLICATION_FACTOR=3 before `badgectl topics`",
            )
        )
    return findings or [fine(f"{min(_fewest_copies(topic) for topic in found.values())} copies or more")]


def _judged_copies(topic: TopicFacts) -> Iterator[Finding]:
    copies, wanted = _fewest_copies(topic), int(topic.settings.get("min.insync.replicas", "1"))
    in_sync = min(one.in_sync for one in topic.partitions)
    alter = f"kafka-configs.sh --alter --topic {topic.name} --add-config min.insync.replicas="
    if wanted > copies:
        yield failure(
            f"{topic.name}: min.insync.replicas is {wanted}, there are {copies} copies: nothing can be written",
            f"{alter}{max(1, copies - 1)}, or add copies",
        )
    elif wanted > in_sync:
        yield failure(
            f"{topic.name}: {in_sync} of {copies} copies are in sync, {wanted} are needed: nothing can be written",
            "start the brokers that are away",
        )
    elif in_sync < copies:
        yield warning(f"{topic.name}: {in_sync} of {copies} copies are in sync", "is a broker away, or slow?")
    if copies >= SAFE_COPIES and wanted < SAFE_IN_SYNC:
        yield failure(
            f"{topic.name}: min.insync.replicas is {wanted}: what one broker alone has acknowledged can be lost",
            f"{alter}{SAFE_IN_SYNC}",
        )
    elif 1 < copies < SAFE_COPIES:
        yield warning(
            f"{topic.name}: {copies} copies: either a lost broker loses records, or one that is away stops all",
            "have 3 copies, min.insync.replicas 2",
        )


def _fewest_copies(topic: TopicFacts) -> int:
    return min(one.replicas for one in topic.partitions)

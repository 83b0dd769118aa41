"""What `badgectl doctor` makes of clusters that a test cannot have: many brokers, other releases, full disks."""

from datetime import timedelta

import pytest

from badgectl.doctor_clocks import judge_clock
from badgectl.doctor_findings import Finding, Level
from badgectl.doctor_kafka import judge_folder, judge_releases, judge_settings
from badgectl.doctor_service import judge_watermark, judge_workers
from badgectl.doctor_topics import judge_copies, judge_partitions, names_of
from badgectl.doctor_topics import judge_settings as judge_topic_settings
from builders import NOON
from messaging.kafka_facts import LogFolder, PartitionFacts, TopicFacts
from messaging.lag import PartitionLag
from messaging.topics import Topics, new_topics
from storage.lag import OutboxDepth, RelayLag, RelayMirror

TOPICS = Topics("t_")
GIB = 1024**3


def topic(
    name: str, *, partitions: int = 3, copies: int = 3, in_sync: int = 3, wanted: int = 2, leader: int = 1
) -> TopicFacts:
    each = [PartitionFacts(number=n, leader=leader, replicas=copies, in_sync=in_sync) for n in range(partitions)]
    return TopicFacts(name=name, partitions=each, settings={"min.insync.replicas": str(wanted)})


@pytest.mark.parametrize(
    ("one", "level", "said"),
    [
        (topic("t"), Level.OK, "3 copies or more"),
        (topic("t", wanted=1), Level.FAILURE, "min.insync.replicas is 1: what one broker alone"),
        (topic("t", wanted=4), Level.FAILURE, "4, there are 3 copies: nothing can be written"),
        (topic("t", in_sync=1), Level.FAILURE, "1 of 3 copies are in sync, 2 are needed"),
        (topic("t", in_sync=2), Level.WARNING, "2 of 3 copies are in sync"),
        (topic("t", copies=2, in_sync=2), Level.WARNING, "2 copies: either"),
        (topic("t", copies=1, in_sync=1, wanted=1), Level.WARNING, "one copy only (there are 3 brokers) of t"),
    ],
)
def test_copies_are_judged_by_what_the_loss_of_a_broker_would_cost(one: TopicFacts, level: Level, said: str) -> None:
    (finding,) = judge_copies({"t": one}, brokers=3)
    assert (finding.level, said in finding.said) == (level, True), finding


@pytest.mark.parametrize("copies", [1, 3])
def test_topics_that_we_make_are_well_on_as_many_brokers_as_they_have_copies(copies: int) -> None:
    made = {
        new.name: TopicFacts(
            name=new.name,
            partitions=[
                PartitionFacts(number=n, leader=1, replicas=copies, in_sync=copies) for n in range(new.num_partitions)
            ],
            settings={"cleanup.policy": "delete", "unclean.leader.election.enable": "false", **new.topic_configs},
        )
        for new in new_topics(TOPICS, partitions=4, replication_factor=copies)
    }
    judged = [*judge_partitions(TOPICS, made), *judge_topic_settings(TOPICS, made)]
    assert {finding.level for finding in judged} == {Level.OK}
    assert [each.level for each in judge_copies(made, brokers=copies)] == [Level.WARNING if copies == 1 else Level.OK]


def test_topics_that_are_not_there_are_not_called_right() -> None:
    judged = [*judge_topic_settings(TOPICS, {}), *judge_copies({}, brokers=3)]
    assert {(each.level, each.said) for each in judged} == {
        (Level.WARNING, "none of our topics is there: nothing to judge")
    }


def test_partitions_without_a_leader_and_unlike_numbers_are_told() -> None:
    found = {name: topic(name) for name in names_of(TOPICS)}
    assert [each.level for each in judge_partitions(TOPICS, found)] == [Level.OK]
    found[TOPICS.badge_awarded] = topic(TOPICS.badge_awarded, partitions=4, leader=-1)
    found[TOPICS.relay_marker] = topic(TOPICS.relay_marker, partitions=1)
    said = [each.said for each in judge_partitions(TOPICS, found)]
    assert [text.split(":")[0] for text in said] == [
        "t_badge_awarded",
        "t_badges_relay_marker has one partition, the relay needs two",
        "the numbers of partitions differ",
    ]
    assert "no broker leads partition 0, 1, 2, 3" in said[0]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({1: 29, 2: 29}, [(Level.OK, "4.2 (broker 1, 2)")]),
        ({1: 25}, [(Level.OK, "4.0 (broker 1)")]),
        ({1: 21}, [(Level.FAILURE, "older than 4.0 (broker 1)")]),
        ({1: None}, [(Level.FAILURE, "older than 4.0 (broker 1)")]),
        ({1: 27, 2: 30}, [(Level.OK, "4.1 (broker 1)"), (Level.FAILURE, "newer than 4.2 (broker 2)")]),
    ],
)
def test_release_is_told_by_the_metadata_that_a_broker_knows(
    versions: dict[int, int | None], expected: list[tuple[Level, str]]
) -> None:
    found = list(judge_releases(versions))
    assert [(each.level, each.said[: len(said)]) for each, (_, said) in zip(found, expected, strict=True)] == expected


def test_brokers_settings_are_judged_one_by_one_and_unknown_ones_passed_over() -> None:
    right = {"transaction.max.timeout.ms": "900000", "offsets.retention.minutes": "525600"}
    assert list(judge_settings({1: right, 2: {}})) == []
    found = list(judge_settings({1: right, 2: {**right, "transaction.max.timeout.ms": "60000"}}))
    assert [(each.level, "60000 (broker 2)" in each.said) for each in found] == [(Level.FAILURE, True)]


@pytest.mark.parametrize(
    ("free", "level"), [(60, Level.OK), (8, Level.WARNING), (2, Level.FAILURE), (0, Level.FAILURE)]
)
def test_full_disk_is_told_before_it_is_full(free: int, level: Level) -> None:
    folder = LogFolder(path="/data", is_usable=True, total_bytes=100 * GIB, free_bytes=free * GIB)
    assert judge_folder(1, folder).level is level


def test_disk_that_a_broker_has_given_up_is_a_failure() -> None:
    finding = judge_folder(2, LogFolder(path="/data", is_usable=False, total_bytes=-1, free_bytes=-1))
    assert (finding.level, finding.said) == (Level.FAILURE, "/data of broker 2 has failed")


@pytest.mark.parametrize(
    ("told", "level", "said"),
    [
        (1, Level.OK, "within 1 s"),
        (4, Level.OK, "within 1 s"),
        (5.5, Level.WARNING, "2.5 s ahead of"),
        (-1.5, Level.WARNING, "1.5 s behind"),
        (90, Level.FAILURE, "87.0 s ahead of"),
    ],
)
def test_time_an_answer_took_is_not_held_against_its_clock(told: float, level: Level, said: str) -> None:
    finding = judge_clock(NOON + timedelta(seconds=told), before=NOON, after=NOON + timedelta(seconds=3))
    assert (finding.level, said in finding.said) == (level, True), finding


def workers(members: int, *, committed: int = 5, following: int = 5, readable: int = 9, end: int = 9) -> list[Finding]:
    lag = PartitionLag(partition=0, committed=committed, following=following, readable=readable, end=end)
    return list(judge_workers(members, [lag]))


def test_requests_that_nobody_reads_are_a_failure() -> None:
    assert [each.level for each in workers(2)] == [Level.OK]
    assert [each.said for each in workers(0)] == ["none runs, and 4 requests wait"]
    assert [each.level for each in workers(0, committed=9, following=9)] == [Level.WARNING]


def test_requests_that_were_lost_or_are_held_are_told_beside_the_rest() -> None:
    found = workers(1, committed=3, following=5, readable=6)
    assert [each.level for each in found] == [Level.OK, Level.FAILURE, Level.WARNING]
    assert [each.said.split()[0] for each in found] == ["1", "2", "3"]


def relay(*, mirror: int, highest: int, claimed: int = 0) -> RelayLag:
    return RelayLag(
        outbox=OutboxDepth(batches=claimed, messages=claimed, claimed_batches=claimed, oldest_seconds=None),
        mirror=RelayMirror(watermark=mirror, moved_at=NOON, highest=highest),
        holder=None,
    )


@pytest.mark.parametrize(
    ("watermark", "before", "after", "level"),
    [
        (100, relay(mirror=100, highest=100), relay(mirror=100, highest=100), Level.OK),
        (None, relay(mirror=0, highest=0), relay(mirror=0, highest=0), Level.OK),
        # The relay has published once more: after the first look, and after Kafka has answered.
        (101, relay(mirror=100, highest=100), relay(mirror=101, highest=101), Level.OK),
        (100, relay(mirror=100, highest=100), relay(mirror=101, highest=101, claimed=1), Level.OK),
        (102, relay(mirror=100, highest=100), relay(mirror=101, highest=101), Level.FAILURE),
        (99, relay(mirror=100, highest=100), relay(mirror=100, highest=100), Level.WARNING),
        (None, relay(mirror=100, highest=101), relay(mirror=100, highest=101, claimed=1), Level.FAILURE),
    ],
)
def test_watermark_is_judged_by_what_was_true_around_it(
    watermark: int | None, before: RelayLag, after: RelayLag, level: Level
) -> None:
    assert judge_watermark(watermark, before=before, after=after).level is level

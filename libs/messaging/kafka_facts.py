"""What a cluster is and how it is set up: read by `badgectl doctor`, changed by nobody here.

Every function raises KafkaError when the broker does not answer, or does not let this user ask.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError, NoError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.admin import DescribeConfigsRequest, DescribeGroupsRequest
from aiokafka.protocol.metadata import MetadataRequest

from messaging.admin_requests import LogDirsRequest, QuorumRequest, VersionsRequest, supported_features

RETRY_SECONDS = 0.1

_TOPIC, _BROKER = 2, 4
_KNOWS_NOBODY = "Dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """One partition; `leader` is below 0 where there is none."""

    number: int
    leader: int
    replicas: int
    in_sync: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """A topic that exists, with all its settings, those of the broker's defaults too."""

    name: str
    partitions: Sequence[PartitionFacts]
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFolder:
    """Where a broker keeps its log. `is_usable` is False when the broker has given it up."""

    path: str
    is_usable: bool
    total_bytes: int
    free_bytes: int


def brokers_of(client: AIOKafkaClient) -> Sequence[int]:
    """Return the ids of the brokers that the client has heard of."""
    return sorted(broker.nodeId for broker in client.cluster.brokers() if isinstance(broker.nodeId, int))


async def find_topics(client: AIOKafkaClient, names: Sequence[str]) -> Mapping[str, TopicFacts]:
    """Return those of the topics that exist."""
    answer = await client.send(client.get_random_node(), MetadataRequest(list(names), allow_auto_topic_creation=False))
    partitions: dict[str, Sequence[PartitionFacts]] = {}
    for code, name, _is_internal, found in answer.topics:
        if for_code(code) is not UnknownTopicOrPartitionError:
            _check(code)
            partitions[name] = [
                PartitionFacts(number=number, leader=leader, replicas=len(replicas), in_sync=len(in_sync))
                for _code, number, leader, replicas, in_sync, *_offline in sorted(found, key=lambda each: each[1])
            ]
    settings = await _settings(client, _TOPIC, list(partitions))
    return {name: TopicFacts(name=name, partitions=partitions[name], settings=settings[name]) for name in partitions}


async def broker_settings(client: AIOKafkaClient, broker: int) -> Mapping[str, str]:
    """Return all settings of the broker, save secret ones."""
    return (await _settings(client, _BROKER, [str(broker)], node=broker))[str(broker)]


async def metadata_version(client: AIOKafkaClient, broker: int) -> int | None:
    """Return the newest `metadata.version` that the broker's software knows, which tells its release."""
    answer = await client.send(broker, VersionsRequest())
    _check(answer.error_code)
    return supported_features(answer.tags).get("metadata.version")


async def controller_time(client: AIOKafkaClient) -> datetime:
    """Return the time now by the clock of the active controller."""
    answer = await client.send(client.get_random_node(), QuorumRequest())
    _check(answer.error_code)
    _name, ((_number, code, leader, _epoch, _end, voters, *_rest), *_others), _tags = answer.topics[0]
    _check(code)
    # Of itself the leader says that it has caught up now.
    now_ms = next(caught_up_at_ms for node, _end, _fetched, caught_up_at_ms, _tags in voters if node == leader)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)


async def log_folders(client: AIOKafkaClient, broker: int) -> Sequence[LogFolder]:
    """Return where the broker keeps its log, and how much room there is."""
    answer = await client.send(broker, LogDirsRequest())
    _check(answer.error_code)
    return [
        LogFolder(path=path, is_usable=for_code(code) is NoError, total_bytes=total, free_bytes=free)
        for code, path, _topics, total, free, _tags in answer.folders
    ]


async def count_members(client: AIOKafkaClient, group: str) -> int:
    """Return how many consumers the group has; 0 for a group that nobody has made yet. Retries without end."""
    while True:
        try:
            return await _count_members(client, group)
        except KafkaError as error:  # a coordinator that loads, or whose topic is being made
            if not error.retriable:
                raise
        await asyncio.sleep(RETRY_SECONDS)


async def _count_members(client: AIOKafkaClient, group: str) -> int:
    node = await client.coordinator_lookup(CoordinationType.GROUP, group)
    answer = await client.send(node, DescribeGroupsRequest([group]), group=ConnectionGroup.COORDINATION)
    code, _group, state, _protocol_type, _protocol, members, *_rest = answer.groups[0]
    if state == _KNOWS_NOBODY:
        return 0
    _check(code)
    return len(members)


async def _settings(
    client: AIOKafkaClient, kind: int, names: Sequence[str], *, node: int | None = None
) -> Mapping[str, Mapping[str, str]]:
    if not names:
        return {}
    request = DescribeConfigsRequest([(kind, name, None) for name in names])
    answer = await client.send(client.get_random_node() if node is None else node, request)
    found: dict[str, Mapping[str, str]] = {}
    for code, _message, _kind, name, entries in answer.resources:
        _check(code)
        found[name] = {key: value for key, value, *_rest in entries if value is not None}
    return found


def _check(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(error.__name__)

"""The brokers: their release, their settings, the room on their disks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiokafka.client import AIOKafkaClient

from badgectl.doctor_clocks import look_at_clock
from badgectl.doctor_findings import Check, Finding, Level, failure, fine, warning
from domain.times import utc_now
from messaging.event_log import TRANSACTION_TIMEOUT_MS
from messaging.kafka_facts import LogFolder, broker_settings, brokers_of, controller_time, log_folders, metadata_version
from messaging.topics import MEBIBYTE

OLDEST_VERSION, NEWEST_VERSION = 22, 29
"""`metadata.version` of the first release of Kafka 4.0, and of the last of 4.2."""

RELEASES = ((25, "4.0"), (27, "4.1"), (NEWEST_VERSION, "4.2"))
SCARCE, ALMOST_NONE = 0.10, 0.03
YEAR_MINUTES = 365 * 24 * 60

_GIBIBYTE = 1024 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRule:
    """What a broker's setting has to be, and what happens otherwise."""

    setting: str
    wanted: str
    is_met: Callable[[str], bool]
    level: Level
    otherwise: str


RULES = (
    BrokerRule(
        setting="transaction.max.timeout.ms",
        wanted=str(TRANSACTION_TIMEOUT_MS),
        is_met=lambda value: int(value) >= TRANSACTION_TIMEOUT_MS,
        level=Level.FAILURE,
        otherwise="the relay asks for longer transactions, is refused, and publishes nothing",
    ),
    BrokerRule(
        setting="offsets.retention.minutes",
        wanted=str(YEAR_MINUTES),
        is_met=lambda value: int(value) >= YEAR_MINUTES,
        level=Level.WARNING,
        otherwise="after such a rest the places of the workers and the relay in the log are forgotten",
    ),
    BrokerRule(
        setting="auto.create.topics.enable",
        wanted="false",
        is_met=lambda value: value == "false",
        level=Level.WARNING,
        otherwise="a mistyped BADGES_KAFKA_PREFIX makes topics of its own, with the wrong settings",
    ),
)


def kafka_checks(client: AIOKafkaClient) -> Sequence[Check]:
    """Return what is checked of the brokers themselves."""
    return [
        Check(name="kafka release", look=lambda: _look_at_releases(client)),
        Check(name="kafka settings", look=lambda: _look_at_settings(client)),
        Check(name="kafka disks", look=lambda: _look_at_disks(client)),
        Check(name="kafka clock", look=lambda: look_at_clock(lambda: controller_time(client), utc_now)),
    ]


async def _look_at_releases(client: AIOKafkaClient) -> Sequence[Finding]:
    found = {broker: await metadata_version(client, broker) for broker in brokers_of(client)}
    return [*judge_releases(found)]


def judge_releases(versions: Mapping[int, int | None]) -> Iterator[Finding]:
    """Judge the newest `metadata.version` that each broker knows."""
    for version in sorted({version or 0 for version in versions.values()}):
        brokers = ", ".join(str(broker) for broker, one in versions.items() if (one or 0) == version)
        if version > NEWEST_VERSION:
            yield failure(
                f"newer than 4.2 (broker {brokers}): 4.3.0 to 4.4.0 lose transaction markers when they restart, "
                "and events that were never committed become visible (KAFKA-20734)",
                'run 4.2; docs/runbook.md, "Which Kafka may it be?"',
            )
        elif version < OLDEST_VERSION:
            yield failure(f"older than 4.0 (broker {brokers})", "run 4.2; nothing older than 4.0 is tested")
        else:
            release = next(name for newest, name in RELEASES if version <= newest)
            yield fine(f"{release} (broker {brokers})")


async def _look_at_settings(client: AIOKafkaClient) -> Sequence[Finding]:
    found = {broker: await broker_settings(client, broker) for broker in brokers_of(client)}
    return [*judge_settings(found)] or [fine("transaction timeout, kept offsets, no topics by accident")]


def judge_settings(settings: Mapping[int, Mapping[str, str]]) -> Iterator[Finding]:
    """Yield what is not as it has to be; a setting that the broker does not tell is passed over."""
    for rule in RULES:
        wrong = {
            broker: own[rule.setting]
            for broker, own in settings.items()
            if rule.setting in own and not rule.is_met(own[rule.setting])
        }
        if wrong:
            where = ", ".join(f"{value} (broker {broker})" for broker, value in wrong.items())
            yield Finding(
                level=rule.level,
                said=f"{rule.setting} is {where}: {rule.otherwise}",
                remedy=f"set {rule.setting}={rule.wanted} on every broker",
            )


async def _look_at_disks(client: AIOKafkaClient) -> Sequence[Finding]:
    found = {broker: await log_folders(client, broker) for broker in brokers_of(client)}
    return [judge_folder(broker, folder) for broker, folders in found.items() for folder in folders]


def judge_folder(broker: int, folder: LogFolder) -> Finding:
    """Judge the room that is left where a broker keeps its log."""
    where = f"{folder.path} of broker {broker}"
    if not folder.is_usable:
        return failure(f"{where} has failed", "mend or replace the disk, and restart the broker")
    room = f"{folder.free_bytes / _GIBIBYTE:.1f} of {folder.total_bytes / _GIBIBYTE:.1f} GiB free in {where}"
    share = folder.free_bytes / folder.total_bytes if folder.total_bytes > 0 else 1
    remedy = "give it more room: a broker whose disk is full stops"
    if share < ALMOST_NONE:
        return failure(room, remedy)
    return warning(room, remedy) if share < SCARCE else fine(room)

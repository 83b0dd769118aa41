"""What an examination finds, and how each check is carried out: with a deadline, and never in the way of the others."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from badgectl.failures import CommandError, message_of
from domain.errors import StorageError

CHECK_SECONDS = 10

_NOT_ALLOWED = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError, GroupAuthorizationFailedError)


class Level(StrEnum):
    """How bad it is: a warning can wait until the morning."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of an examination, and what to do about it, unless the line says that too."""

    level: Level
    said: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is looked at under one name."""

    name: str
    look: Callable[[], Awaitable[Sequence[Finding]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one check found: at least one thing."""

    name: str
    findings: Sequence[Finding]


def fine(said: str) -> Finding:
    """All is well."""
    return Finding(level=Level.OK, said=said)


def warning(said: str, remedy: str) -> Finding:
    """It works, and may not for ever."""
    return Finding(level=Level.WARNING, said=said, remedy=remedy)


def failure(said: str, remedy: str) -> Finding:
    """It does not work, or the promise does not hold."""
    return Finding(level=Level.FAILURE, said=said, remedy=remedy)


async def carry_out(checks: Sequence[Check]) -> Sequence[Checked]:
    """Carry all of them out at once; what one of them meets is a finding of its own."""
    found = await asyncio.gather(*(_findings(check) for check in checks))
    return [Checked(name=check.name, findings=each) for check, each in zip(checks, found, strict=True)]


async def _findings(check: Check) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check.look()
    except TimeoutError:
        return [failure(f"no answer within {CHECK_SECONDS} s", "is the server overloaded, or the network cut?")]
    except _NOT_ALLOWED as error:
        return [warning(f"this user may not ask ({error})", "ask again as a user that may describe what is there")]
    except (CommandError, StorageError, KafkaError) as error:
        return [Finding(level=Level.FAILURE, said=message_of(error))]
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks are to be told
        return [failure(f"{type(error).__name__}: {error}", "this is a defect of the check: report it")]

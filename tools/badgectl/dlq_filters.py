"""Which rejected requests an operator means: by id, reason, tenant, badge and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from badgectl.failures import CommandError
from badgectl.periods import instant_of
from badgectl.tenant_choice import chosen_tenants
from domain.awards import LogPosition, RejectionReason
from domain.errors import InvalidValueError
from domain.limits import BADGE_CODE_LENGTH, check_text
from domain.times import utc_now
from storage.database import Connection
from storage.rejections import Place, RejectionFilter

Reasons = Annotated[
    list[RejectionReason] | None,
    typer.Option("--reason", metavar="REASON", help="Only for this reason; may be given twice."),
]
Badges = Annotated[
    list[str] | None, typer.Option("--badge", metavar="CODE", help="Only for this badge; may be given twice.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_LARGEST_PARTITION = 2**31 - 1
_LARGEST_OFFSET = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options as they were given."""

    ids: Sequence[str] = ()
    reasons: Sequence[RejectionReason] = ()
    tenant: str | None = None
    badges: Sequence[str] = ()
    since: str | None = None
    until: str | None = None


async def filter_of(connection: Connection, wanted: Wanted) -> RejectionFilter:
    """Return what the options come to.

    Raises:
        CommandError: an option cannot be understood.
    """
    now = utc_now()
    return RejectionFilter(
        reasons=list(wanted.reasons) or None,
        tenant_ids=await chosen_tenants(connection, wanted.tenant),
        badge_codes=[_code_of(text) for text in wanted.badges] or None,
        since=instant_of("--since", wanted.since, now=now),
        until=instant_of("--until", wanted.until, now=now),
        places=[place_of(text) for text in wanted.ids] or None,
    )


def _code_of(text: str) -> str:
    try:
        return check_text("--badge", text, longest=BADGE_CODE_LENGTH)
    except InvalidValueError as error:
        raise CommandError(str(error)) from error


def place_of(text: str) -> Place:
    """Return what an id stands for.

    Raises:
        CommandError: not TOPIC-PARTITION-OFFSET.
    """
    topic, *numbers = text.rsplit("-", 2)
    if len(numbers) != 2 or not topic or not all(n.isascii() and n.isdecimal() for n in numbers):  # noqa: PLR2004 - partition and offset
        raise CommandError(f"an id is TOPIC-PARTITION-OFFSET, as `badgectl dlq list` prints it, not {text!r}")
    partition, offset = (int(number) for number in numbers)
    if partition > _LARGEST_PARTITION or offset > _LARGEST_OFFSET:
        raise CommandError(f"there is no such place in a log: {text!r}")
    return topic, partition, offset


def id_of(position: LogPosition) -> str:
    """Return the id under which `badgectl dlq` knows the request that was there."""
    return f"{position.topic}-{position.partition}-{position.offset}"

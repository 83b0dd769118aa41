"""What is asked for: pairs, a few again and again, and the records of an upstream service, good and bad."""

import json
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from chaos.suite.ledger import MARK, Headers, Pair
from domain.awards import RejectionReason
from poison import BINARY, Poison, asking, poison

OPEN_PARTICIPANTS = 40
REMEMBERED = 5_000
SOURCE = "/chaos/upstream"
_STYLES = ("user_{}", "Ä/ö ü_{}", "a:b%2F_{}", "\U0001f3c5{}", "../{}?x=1&y", "{} ")


class Pairs:
    """Gives out pairs: each new one once, in no order; and those given out before, again."""

    def __init__(self, seed: int, codes: Sequence[str]) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._codes = codes
        self._made = 0
        self._open = [self._participant() for _ in range(OPEN_PARTICIPANTS)]
        self._given: deque[Pair] = deque(maxlen=REMEMBERED)

    def new(self) -> Pair:
        """A pair that was never given out."""
        place = self.chance.randrange(OPEN_PARTICIPANTS)
        name, codes = self._open[place]
        pair = (name, codes.pop())
        if not codes:
            self._open[place] = self._participant()
        self._given.append(pair)
        return pair

    def repeated(self) -> Pair:
        """One of those given out lately."""
        return self.chance.choice(self._given) if self._given else self.new()

    def metadata(self) -> dict[str, object] | None:
        """Something to come back as it was, or nothing."""
        if self.chance.random() < 0.3:
            return None
        number = self.chance.randrange(1 << 60)
        return {"n": number, "text": f"ß {number:x} \U0001f680", "nested": {"list": [1.5, None, True, "\u2028"]}}

    def _participant(self) -> tuple[str, list[str]]:
        self._made += 1
        name = self.chance.choice(_STYLES).format(self._made)
        return name, self.chance.sample(self._codes, len(self._codes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to publish; `reason` is why it can never succeed, None for a good one."""

    mark: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: RejectionReason | None = None


def good_record(tenant_id: str, pair: Pair, metadata: Mapping[str, object] | None, chance: random.Random) -> Record:
    """A valid request as an upstream service writes it; its date in `earned_at`, in `ce_time`, or left out."""
    participant, code = pair
    mark = str(uuid4())
    data: dict[str, object] = {"tenant_id": tenant_id, "participant_id": participant, "badge_code": code}
    if metadata is not None:
        data["metadata"] = metadata
    headers = [
        *BINARY,
        ("ce_id", mark.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_subject", participant.encode()),
        (MARK, mark.encode()),
    ]
    date = (datetime.now(UTC) - timedelta(seconds=chance.uniform(0, 1e8))).isoformat()
    match chance.randrange(3):
        case 0:
            data["earned_at"] = date
        case 1:
            headers.append(("ce_time", date.encode()))
    return Record(mark=mark, key=f"{tenant_id}:{participant}".encode(), value=_json(data), headers=headers)


def bad_records(tenant_id: str, disabled_tenant_id: str, inactive_code: str) -> Sequence[Poison]:
    """Every kind of record that can never succeed."""
    refused = {
        "unknown tenant": (RejectionReason.UNKNOWN_TENANT, asking(UUID(int=1))),
        "disabled tenant": (RejectionReason.TENANT_DISABLED, asking(disabled_tenant_id)),
        "unknown badge": (RejectionReason.BADGE_NOT_FOUND, asking(tenant_id, badge_code="no such badge")),
        "inactive badge": (RejectionReason.BADGE_NOT_FOUND, asking(tenant_id, badge_code=inactive_code)),
    }
    others = [Poison(name=name, reason=reason, value=value) for name, (reason, value) in refused.items()]
    # aiokafka does not send a record without key and value.
    return [one for one in (*poison(tenant_id), *others) if one.key is not None or one.value is not None]


def bad_record(kind: Poison) -> Record:
    """One record of a kind, marked to be known again, in any partition."""
    mark = str(uuid4())
    headers = [*kind.headers, (MARK, mark.encode())]
    key = None if kind.key is None else mark.encode()
    return Record(mark=mark, key=key, value=kind.value, headers=headers, reason=kind.reason)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()

"""The invariants of what can never succeed."""

from collections.abc import Iterable, Mapping

from chaos.suite.evidence import Record, RejectionRow
from chaos.suite.invariants import Invariant
from chaos.suite.ledger import Place, fingerprint
from chaos.suite.replay import Bad

ADDED = ("dlq_reason", "dlq_detail", "dlq_topic", "dlq_partition", "dlq_offset", "dlq_timestamp", "dlq_time")


class DeadLetterCheck:
    """Fed with every record of the dead-letter topic."""

    def __init__(self, bad: Mapping[Place, Bad], topic: str) -> None:
        """`topic` is where the bad records were."""
        self._bad = bad
        self._topic = topic
        self._seen: set[Place] = set()
        self._invariant = Invariant(
            "dead letters", "every bad record has one dead letter, with its reason and place, byte for byte as it came"
        )

    def add(self, letter: Record) -> None:
        """Take in the next dead letter."""
        invariant = self._invariant
        texts = letter.texts()
        try:
            place = (int(texts["dlq_partition"]), int(texts["dlq_offset"]))
        except (KeyError, ValueError):
            invariant.breaks(f"no dead letter: {texts}")
            return
        bad = self._bad.get(place)
        if place in self._seen:
            invariant.breaks(f"{place}: a second dead letter")
        elif bad is None:
            invariant.breaks(f"{place}: a dead letter of a good request: {texts}")
        else:
            came, added = letter.headers[: -len(ADDED)], letter.headers[-len(ADDED) :]
            said = (texts["dlq_reason"], texts["dlq_topic"], texts["dlq_timestamp"])
            wanted = (bad.reason, self._topic, str(bad.timestamp_ms))
            is_whole = fingerprint(letter.key, letter.value, came) == bad.fingerprint
            has_all = tuple(name for name, _ in added) == ADDED
            invariant.require(is_whole and has_all, f"{place}: the dead letter is not the record as it came: {texts}")
            invariant.require(said == wanted, f"{place}: says {said}, has to say {wanted}")
        self._seen.add(place)

    def finish(self) -> Invariant:
        """Name what is missing."""
        for place in self._bad.keys() - self._seen:
            self._invariant.breaks(f"{place}: no dead letter; {self._bad[place].reason}")
        self._invariant.checked = len(self._bad)
        return self._invariant


def check_rejections(bad: Mapping[Place, Bad], rows: Iterable[RejectionRow]) -> Invariant:
    """Compare the bad records of the log with `rejected_requests`."""
    invariant = Invariant("rejected requests", "every bad record has one row in rejected_requests, with its reason")
    expected = {(*place, one.timestamp_ms): one.reason for place, one in bad.items()}
    for row in rows:
        key = (row.partition, row.offset, row.timestamp_ms)
        reason = expected.pop(key, None)
        invariant.require(reason == row.reason, f"{key}: the row says {row.reason}, it has to be {reason}")
    for key, reason in expected.items():
        invariant.breaks(f"{key}: no row; {reason}")
    invariant.checked = len(bad)
    return invariant

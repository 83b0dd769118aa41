"""What must hold after a round, and how a breach is reported."""

from dataclasses import asdict, dataclass, field

MOST_EXAMPLES = 20


@dataclass(slots=True)
class Invariant:
    """One thing that must hold: how many were looked at, how many break it, and the first of those."""

    name: str
    says: str
    checked: int = 0
    broken: int = 0
    examples: list[str] = field(default_factory=list)

    def breaks(self, example: str) -> None:
        """Note a breach."""
        self.broken += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(example)

    def require(self, holds: object, example: str) -> None:
        """Note a breach unless it holds."""
        if not holds:
            self.breaks(example)

    def as_json(self) -> dict[str, object]:
        """The invariant as the report has it."""
        return asdict(self) | {"holds": not self.broken}

"""What stops the embedded stack."""


class StackError(Exception):
    """The stack cannot go on; the message says why and what to do about it, for a person to read."""


class BrokenFolderError(StackError):
    """A folder holds something, but not what the server left there."""

    def __init__(self, folder: object, reason: str) -> None:
        super().__init__(
            f"{folder} cannot be used: {reason}. "
            "`badgectl up --reset` deletes the stack's data and starts from nothing."
        )

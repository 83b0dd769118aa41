"""What stops the embedded stack."""


class StackError(Exception):
    """The stack cannot go on; the message says why and what to do about it, for a person to read."""


class ForeignServerError(StackError):
    """Somebody else's server listens where one of ours was to."""

    def __init__(self, server: str, address: str) -> None:
        super().__init__(
            f"{address} is answered by another {server}, which took the port since it was chosen. "
            "`badgectl up` again chooses another one."
        )


class BrokenFolderError(StackError):
    """A folder holds something, but not what the server left there."""

    def __init__(self, folder: object, reason: str) -> None:
        super().__init__(
            f"{folder} cannot be used: {reason}. "
            "`badgectl up --reset` deletes the stack's data and starts from nothing."
        )

"""Who is awarded: ids that are spread over the whole index, as ids of real participants are."""

import hashlib

AWARDED_BEFORE = "md5('before-' || n)"
"""In SQL: the participant number `n` of those whose awards were put into the database."""


def newcomer(number: int) -> str:
    """Somebody without an award."""
    return _spread(f"new-{number}")


def last_in_line(partition: int) -> str:
    """Who is last in a partition of a backlog of duplicates, and without an award."""
    return _spread(f"last-{partition}")


def _spread(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

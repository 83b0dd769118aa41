"""What no log may hold: keys, passwords, the headers that carry them."""

import re
from collections.abc import Iterable
from pathlib import Path

_SECRET = re.compile(
    rb"bq_(?:live|test)_[0-9a-f]{32}"  # a key of ours
    rb"|\w+://[^\s:@/\"']*:[^\s@/\"']+@"  # the password in a URL
    rb"|(?i:(?<![a-z])authorization(?:[\"']|\s*[:=])|x-api-key|(?:password|passwd|secret|credential)s?[\"']?\s*[:=])"
)
_SHOWN = 60


def assert_no_secrets(log: Path, known: Iterable[str] = ()) -> None:
    """Fail if the log holds what looks like a secret, or one that is known."""
    written = log.read_bytes() if log.exists() else b""
    if found := _SECRET.search(written):
        raise AssertionError(f"{log} holds a secret: {found.group()[:_SHOWN]!r}")
    for secret in known:
        assert secret.encode() not in written, f"{log} holds a secret that the service was given"

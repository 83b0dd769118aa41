"""Participants in log lines: by a keyed hash, not at all, or by their ids."""

import hashlib
import hmac
import secrets
from typing import Literal

from structlog.typing import EventDict, WrappedLogger

HASH_DIGITS = 16


class ParticipantForm:
    """A structlog processor: `participant_id` becomes `participant_hash`, or goes, or stays.

    The hash is the first 16 hex digits of HMAC-SHA256. It hides ids from who reads the log without the key; who has
    the key can try ids. Without a key one is made up: then nobody can, and a hash means nothing to another process.
    """

    def __init__(self, form: Literal["hashed", "absent", "plain"], key: bytes | None = None) -> None:
        self._form = form
        self._key = secrets.token_bytes(32) if key is None else key

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Give the line's participant its form."""
        if self._form != "plain" and "participant_id" in event:
            participant_id = str(event.pop("participant_id"))
            if self._form == "hashed":
                event["participant_hash"] = self._hash(participant_id)
        return event

    def _hash(self, participant_id: str) -> str:
        digest = hmac.new(self._key, participant_id.encode(errors="replace"), hashlib.sha256)
        return digest.hexdigest()[:HASH_DIGITS]

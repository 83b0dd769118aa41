"""Tenants, their environments, and API keys.

A tenant has a live and a test environment that share nothing; each is a row with an id of its own,
and that id is the `tenant_id` of everything it owns.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

ADMIN_SCOPES = frozenset({"admin", "gamify:admin"})
KEY_BYTES = 16

_KEY = re.compile(r"bq_(live|test)_[0-9a-f]{32}", re.ASCII)


class Environment(StrEnum):
    """Which of a tenant's two worlds."""

    LIVE = "live"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One environment of a tenant."""

    id: UUID
    slug: str
    environment: Environment
    is_enabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is kept of a key; the plain text is not."""

    id: UUID
    tenant_id: UUID
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls: the tenant of a key, and what the key may do."""

    key_id: UUID
    tenant_id: UUID
    environment: Environment
    tenant_is_enabled: bool
    scopes: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Whether the key may manage badge definitions."""
        return not ADMIN_SCOPES.isdisjoint(self.scopes)


def new_key(environment: Environment, random_bytes: Callable[[int], bytes]) -> str:
    """Make the plain text of a key: `bq_live_` or `bq_test_` and 128 random bits in hex."""
    return f"bq_{environment}_{random_bytes(KEY_BYTES).hex()}"


def is_key_shaped(text: str) -> bool:
    """Whether `text` could be a key at all."""
    return _KEY.fullmatch(text) is not None


def hash_key(key: str) -> bytes:
    """SHA-256 of the plain text, 32 bytes: all that is stored. 128 random bits need no salt."""
    return hashlib.sha256(key.encode()).digest()

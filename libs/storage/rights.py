"""Which database role may do what. `deploy/postgres/roles.sql` makes the roles; `badgectl migrate` grants."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Connection, text

from storage.tables import metadata

API, WORKER, OPERATOR = "badges_api", "badges_worker", "badges_operator"

_DEFINITION = "name, description, icon_url, badge_color, rarity, category, is_active, is_hidden, display_order"
_KEY = "id, tenant_id, name, scopes, created_at, expires_at, revoked_at, last_used_at"

RIGHTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        API: (
            "SELECT ON alembic_version, tenants, api_keys, badges, awards, rejected_requests, outbox",
            "UPDATE (last_used_at) ON api_keys",
            "INSERT ON badges",
            f"UPDATE ({_DEFINITION}, updated_at) ON badges",
        ),
        WORKER: (
            "SELECT ON alembic_version, tenants, badges, awards, rejected_requests, outbox, relay_state, brake_control",
            # To hold a row (FOR SHARE, FOR UPDATE) takes the right to change some column; these two decide nothing.
            "UPDATE (updated_at) ON badges",
            "UPDATE (redriven_at) ON rejected_requests",
            "INSERT ON awards",
            "INSERT, DELETE ON rejected_requests",
            "INSERT, DELETE, UPDATE (emit_seq) ON outbox",
            "SELECT, USAGE ON SEQUENCE outbox_emit_seq",
            "UPDATE (emit_seq, updated_at, cluster_id) ON relay_state",
        ),
        OPERATOR: (
            "SELECT ON alembic_version, tenants, badges, awards, rejected_requests, outbox, relay_state, brake_control",
            # All but the hash: keys are made and revoked, never looked up.
            f"SELECT ({_KEY}) ON api_keys",
            "SELECT ON SEQUENCE outbox_emit_seq",
            "INSERT ON tenants, api_keys, badges, outbox",
            "UPDATE (is_enabled) ON tenants",
            "UPDATE (revoked_at) ON api_keys",
            "UPDATE (redriven_at) ON rejected_requests",
            "UPDATE (released_until) ON brake_control",
        ),
    }
)
"""What is granted to each role, and nothing else of our tables."""

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(:key)")
_LOCK_KEY = 0x7269_6768_7473  # "rights"
_ROLES = text("SELECT rolname FROM pg_roles WHERE rolname = ANY (CAST(:names AS text[]))")


def grant_rights(connection: Connection) -> Sequence[str]:
    """Give each role that exists its rights, and take from it what is no longer among them; return their names.

    One transaction, which the caller commits: nobody sees the moment in between. Needs the owner of the tables.
    """
    connection.execute(_ONE_AT_A_TIME, {"key": _LOCK_KEY})
    existing = connection.scalars(_ROLES, {"names": list(RIGHTS)}).all()
    tables = ", ".join(["alembic_version", *metadata.tables])
    sequences = ", ".join(metadata._sequences)  # noqa: SLF001 - no public way
    for role in existing:
        connection.execute(text(f"REVOKE ALL ON {tables} FROM {role}"))
        connection.execute(text(f"REVOKE ALL ON SEQUENCE {sequences} FROM {role}"))
        for right in RIGHTS[role]:
            connection.execute(text(f"GRANT {right} TO {role}"))
    return existing

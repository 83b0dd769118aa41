"""What a Postgres server is and how it is set up, and what this user may do there: read by `badgectl doctor`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import text

from storage.database import Connection

_READ, _ADD, _CHANGE, _DELETE = "SELECT", "INSERT", "UPDATE", "DELETE"

NEEDED = MappingProxyType(
    {
        "serve as a gateway": {
            "alembic_version": (_READ,),
            "tenants": (_READ,),
            "api_keys": (_READ, _CHANGE),
            "badges": (_READ, _ADD, _CHANGE),
            "awards": (_READ,),
            "rejected_requests": (_READ,),
            "outbox": (_READ,),
        },
        "work as an award worker": {
            "alembic_version": (_READ,),
            "tenants": (_READ,),
            # FOR SHARE needs the right to change something, too.
            "badges": (_READ, _CHANGE),
            "awards": (_READ, _ADD),
            "rejected_requests": (_READ, _ADD, _CHANGE, _DELETE),
            "outbox": (_READ, _ADD, _CHANGE, _DELETE),
            "relay_state": (_READ, _CHANGE),
            "brake_control": (_READ,),
        },
        "operate": {
            "alembic_version": (_READ,),
            "tenants": (_READ, _ADD, _CHANGE),
            "api_keys": (_READ, _ADD, _CHANGE),
            "badges": (_READ, _ADD),
            "awards": (_READ,),
            "rejected_requests": (_READ, _CHANGE),
            "outbox": (_READ, _ADD),
            "relay_state": (_READ,),
            "brake_control": (_READ, _CHANGE),
        },
    }
)
"""What each kind of process does with which table; the right to change may be that of some columns."""

_SERVER = text("""
    SELECT current_setting('server_version_num')::integer AS version_number,
           current_setting('server_version') AS version,
           current_user AS user_name,
           current_setting('synchronous_commit') AS synchronous_commit,
           current_setting('fsync')::boolean AS has_fsync,
           current_setting('full_page_writes')::boolean AS has_full_page_writes,
           pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only,
           current_setting('max_connections')::integer AS most_connections,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections
""")

# The tables that are there; a right that covers some columns alone is enough to change or read.
_MISSING = text("""
    SELECT wanted.relation, wanted.privilege
    FROM unnest(CAST(:relations AS text[]), CAST(:privileges AS text[])) AS wanted (relation, privilege)
    WHERE to_regclass(quote_ident(wanted.relation)) IS NULL
       OR NOT CASE wanted.privilege
              WHEN 'DELETE' THEN has_table_privilege(quote_ident(wanted.relation), 'DELETE')
              ELSE has_any_column_privilege(quote_ident(wanted.relation), wanted.privilege) END
    ORDER BY wanted.relation, wanted.privilege
""")

_OWNS_TABLES = text("""
    SELECT coalesce(bool_and(pg_has_role(relowner, 'USAGE')), false)
       AND has_schema_privilege(current_schema(), 'CREATE')
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """The server as this user meets it. `is_read_only`: a standby, or set so."""

    version_number: int
    version: str
    user_name: str
    synchronous_commit: str
    has_fsync: bool
    has_full_page_writes: bool
    is_read_only: bool
    most_connections: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRights:
    """What this user lacks for each kind of process ("INSERT on awards"), and whether he may change the schema."""

    lacking: Mapping[str, Sequence[str]]
    may_migrate: bool


async def find_server(connection: Connection) -> ServerFacts:
    """Return what the server tells of itself."""
    return ServerFacts(**(await connection.execute(_SERVER)).mappings().one())


async def find_time(connection: Connection) -> datetime:
    """Return the time now by the server's clock."""
    now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return now


async def find_rights(connection: Connection) -> UserRights:
    """Return what this user may do with the tables."""
    lacking: dict[str, Sequence[str]] = {}
    for purpose, tables in NEEDED.items():
        wanted = [(table, privilege) for table, privileges in tables.items() for privilege in privileges]
        arguments = {"relations": [table for table, _ in wanted], "privileges": [privilege for _, privilege in wanted]}
        rows = await connection.execute(_MISSING, arguments)
        lacking[purpose] = [f"{row.privilege} on {row.relation}" for row in rows]
    return UserRights(lacking=lacking, may_migrate=bool(await connection.scalar(_OWNS_TABLES)))

"""What a Postgres server is and how it is set up, and what this user may do there: read by `badgectl doctor`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from types import MappingProxyType

from sqlalchemy import text

from storage.database import Connection
from storage.rights import API, OPERATOR, RIGHTS, WORKER

PURPOSES = MappingProxyType({"serve as a gateway": API, "work as an award worker": WORKER, "operate": OPERATOR})
"""What a user may be fit for, by the role that has the rights for it."""

_COLUMNS = re.compile(r" *\([^)]*\)")

# pg_stat_activity hides the kind of other roles' sessions from most users; these sums are for everybody to see.
_SERVER = text("""
    SELECT current_setting('server_version_num')::integer AS version_number,
           current_setting('server_version') AS version,
           current_user AS user_name,
           current_setting('synchronous_commit') AS synchronous_commit,
           current_setting('fsync')::boolean AS has_fsync,
           current_setting('full_page_writes')::boolean AS has_full_page_writes,
           pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only,
           current_setting('max_connections')::integer AS most_connections,
           (SELECT sum(numbackends) FROM pg_stat_database) AS connections
""")

# Of some columns is enough to read or change.
_MISSING = text("""
    SELECT wanted.relation, wanted.privilege
    FROM unnest(CAST(:relations AS text[]), CAST(:privileges AS text[])) AS wanted (relation, privilege)
    LEFT JOIN pg_class AS c ON c.oid = to_regclass(quote_ident(wanted.relation))
    WHERE c.oid IS NULL
       OR NOT CASE
              WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, wanted.privilege)
              WHEN wanted.privilege = 'DELETE' THEN has_table_privilege(c.oid, 'DELETE')
              ELSE has_any_column_privilege(c.oid, wanted.privilege) END
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
    """What this user lacks for each purpose ("INSERT on awards"), and whether he may change the schema."""

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
    for purpose, role in PURPOSES.items():
        wanted = [each for right in RIGHTS[role] for each in _parted(right)]
        arguments = {"privileges": [privilege for privilege, _ in wanted], "relations": [table for _, table in wanted]}
        rows = await connection.execute(_MISSING, arguments)
        lacking[purpose] = [f"{row.privilege} on {row.relation}" for row in rows]
    return UserRights(lacking=lacking, may_migrate=bool(await connection.scalar(_OWNS_TABLES)))


def _parted(right: str) -> Iterator[tuple[str, str]]:
    """The privileges and relations of what is granted, each with each: "SELECT, UPDATE (a) ON x, y"."""
    privileges, _, relations = _COLUMNS.sub("", right).partition(" ON ")
    return product(privileges.split(", "), relations.removeprefix("SEQUENCE ").split(", "))

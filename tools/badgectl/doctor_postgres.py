"""Postgres: its release and settings, the schema, and what this user may do."""

from collections.abc import Iterator, Sequence

from badgectl.doctor_clocks import look_at_clock
from badgectl.doctor_findings import Check, Finding, failure, fine, warning
from domain.times import utc_now
from storage.database import Database
from storage.schema import REVISIONS, find_revision
from storage.server_facts import ServerFacts, UserRights, find_rights, find_server, find_time

OLDEST_SERVER = 170_000
CROWDED = 0.9

_MIGRATE = "badgectl migrate"


def postgres_checks(database: Database) -> Sequence[Check]:
    """Return what is checked of Postgres."""

    async def look_at_server() -> Sequence[Finding]:
        async with database.reading() as connection:
            return [*judge_server(await find_server(connection))]

    async def look_at_schema() -> Sequence[Finding]:
        return [judge_revision(await find_revision(database))]

    async def look_at_rights() -> Sequence[Finding]:
        async with database.reading() as connection:
            server, rights = await find_server(connection), await find_rights(connection)
        return [judge_rights(server.user_name, rights)]

    async def look_at_time() -> Sequence[Finding]:
        async with database.querying() as connection:
            return await look_at_clock(lambda: find_time(connection), utc_now)

    return [
        Check(name="postgres settings", look=look_at_server),
        Check(name="postgres schema", look=look_at_schema),
        Check(name="postgres rights", look=look_at_rights),
        Check(name="postgres clock", look=look_at_time),
    ]


def judge_server(server: ServerFacts) -> Iterator[Finding]:
    """Judge the release, how durable a commit is, and whether there is room for one more connection."""
    wrong = [*_unsafe(server), *_crowded(server)]
    if server.version_number < OLDEST_SERVER:
        said = f"PostgreSQL {server.version}: transaction_timeout, which frees the locks of a stopped process, is in 17"
        wrong.insert(0, failure(said, "upgrade Postgres to 17 or newer"))
    yield from wrong
    if not wrong:
        used = f"{server.connections} of {server.most_connections} connections"
        yield fine(f"PostgreSQL {server.version}, synchronous_commit {server.synchronous_commit}, {used}")


def _unsafe(server: ServerFacts) -> Iterator[Finding]:
    if server.is_read_only:
        yield failure(
            "it takes no writes: a standby, or set to read only", "BADGES_DATABASE_URL has to name the primary"
        )
    if server.synchronous_commit == "off":
        yield failure(
            "synchronous_commit is off: a crash loses awards that were answered with 200",
            "set it to on, for this user and database too",
        )
    for name, is_on in (("fsync", server.has_fsync), ("full_page_writes", server.has_full_page_writes)):
        if not is_on:
            yield failure(f"{name} is off: a power cut can destroy the database", f"set {name} = on")


def _crowded(server: ServerFacts) -> Iterator[Finding]:
    if server.connections >= CROWDED * server.most_connections:
        yield warning(
            f"{server.connections} of {server.most_connections} connections are taken: the next process may find none",
            "raise max_connections, or lower BADGES_API_DATABASE_CONNECTIONS",
        )


def judge_revision(revision: str | None) -> Finding:
    """Judge the schema against the one that this code has."""
    if revision == REVISIONS[-1]:
        return fine(f"at {revision}, as this release wants it")
    if revision is None:
        return failure("there is none, or this user may not read it", f"`{_MIGRATE}`, as the owner of the database")
    if revision in REVISIONS:
        return failure(f"at {revision}, this release wants {REVISIONS[-1]}: no process gets ready", f"`{_MIGRATE}`")
    return warning(
        f"at {revision}, which this release ({REVISIONS[-1]}) does not know: that of a newer one, most likely",
        "processes of this release go on with it; run the newer release's `badgectl doctor`",
    )


def judge_rights(user: str, rights: UserRights) -> Finding:
    """Judge whether this user is fit for anything: with least privilege, for one kind of process alone."""
    able = [purpose for purpose, lacking in rights.lacking.items() if not lacking]
    able += ["migrate"] if rights.may_migrate else []
    unable = [f"not {purpose} (lacks {_some(lacking)})" for purpose, lacking in rights.lacking.items() if lacking]
    if not able:
        remedy = "use a role of deploy/postgres/roles.sql; `badgectl migrate`, as the owner, grants each its rights"
        return failure(f"{user} may {'; '.join(unable)}", remedy)
    return fine("; ".join([f"{user} may {', '.join(able)}", *unable]))


def _some(lacking: Sequence[str]) -> str:
    return lacking[0] if len(lacking) == 1 else f"{lacking[0]} and {len(lacking) - 1} more"

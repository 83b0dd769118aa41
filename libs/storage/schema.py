"""Which schema the database has, and which the code wants."""

from sqlalchemy import text

from domain.errors import StorageError, StorageUnavailableError
from storage.database import Database

REVISIONS = ("0001", "0002")
"""Every migration that this code knows, oldest first. Services read them here: Alembic is for who migrates."""


async def check_schema(database: Database) -> None:
    """Return when the database can be used as it is: its schema is this code's, or a newer one.

    Migrations only add, so that processes of two releases may run side by side.

    Raises:
        StorageUnavailableError: no answer, or `badgectl migrate` has not been run yet.
    """
    revision = await find_revision(database)
    if revision is None:
        raise StorageUnavailableError("the database has no schema: badgectl migrate")
    if revision in REVISIONS[:-1]:
        raise StorageUnavailableError(f"the database has the older schema {revision}: badgectl migrate")


async def find_revision(database: Database) -> str | None:
    """Return which migration the database is at; None when it has no schema yet.

    Raises:
        StorageUnavailableError: no answer.
    """
    try:
        async with database.querying() as connection:
            revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except StorageUnavailableError:
        raise
    except StorageError:
        return None
    return revision

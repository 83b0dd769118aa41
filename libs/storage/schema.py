"""Which schema the database has, and which the code wants."""

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from domain.errors import StorageError, StorageUnavailableError
from storage.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config(database_url: str | None = None) -> Config:
    """Alembic's settings; the migrations come with the package, wherever it is installed."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def wanted_revision() -> str:
    """The newest migration that this code knows."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if head is None:
        raise StorageError("the package holds no migrations")
    return head


@cache
def _older_revisions() -> frozenset[str]:
    """Every migration before the newest one that this code knows."""
    script = ScriptDirectory.from_config(alembic_config())
    return frozenset(revision.revision for revision in script.walk_revisions()) - {wanted_revision()}


async def check_schema(database: Database) -> None:
    """Return when the database can be used as it is: its schema is this code's, or a newer one.

    Migrations only add, so that processes of two releases may run side by side.

    Raises:
        StorageUnavailableError: no answer, or `badgectl migrate` has not been run yet.
    """
    try:
        async with database.reading() as connection:
            revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except StorageUnavailableError:
        raise
    except StorageError as error:
        raise StorageUnavailableError("the database has no schema: badgectl migrate") from error
    if revision is None:
        raise StorageUnavailableError("the database has no schema: badgectl migrate")
    if revision in _older_revisions():
        raise StorageUnavailableError(f"the database has the older schema {revision}: badgectl migrate")

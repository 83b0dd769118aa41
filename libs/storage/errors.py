"""Driver errors, wrapped once, here: what the rest sees is `domain.errors.StorageError`."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from domain.errors import DataRefusedError, StorageError, StorageUnavailableError

_REFUSED_CLASSES = ("22", "23", "54")
# Connection lost, transaction rolled back (deadlock, serialization), resources, operator
# intervention (shutdown, cancelled by a timeout).
_TRANSIENT_CLASSES = ("08", "40", "53", "57")
# Lock not available, idle too long, read-only: a primary that has just become a standby.
_TRANSIENT_STATES = ("55P03", "25P03", "25P04", "25006")


@contextmanager
def storage_errors() -> Iterator[None]:
    """Translate what the driver raises inside.

    Raises:
        StorageUnavailableError: Postgres cannot be reached, is shutting down, is out of resources,
            or gave up on a lock or a deadlock.
        DataRefusedError: SQLSTATE class 22, 23 or 54.
        StorageError: anything else; a defect of ours.
    """
    try:
        yield
    except DBAPIError as error:
        raise _translate(error, error.orig) from error
    except (asyncpg.PostgresError, AsyncAdapt_asyncpg_dbapi.Error) as error:  # the latter where the pool connects
        raise _translate(error, error) from error
    except (PoolTimeoutError, TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise StorageUnavailableError(f"{type(error).__name__}: {error}") from error


def _translate(error: Exception, driver_error: BaseException | None) -> StorageError:
    state = getattr(driver_error, "sqlstate", None) or ""
    cause = getattr(driver_error, "__cause__", None) or driver_error
    message = str(cause or error)
    if state.startswith(_REFUSED_CLASSES):
        constraint = getattr(cause, "constraint_name", None)
        return DataRefusedError(message, sqlstate=state, constraint=constraint)
    is_lost = getattr(error, "connection_invalidated", False) or isinstance(
        cause, asyncpg.InterfaceError | OSError | TimeoutError
    )
    if is_lost or state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES:
        return StorageUnavailableError(message)
    return StorageError(message)

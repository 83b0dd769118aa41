"""Until when operators want the workers' brakes off."""

from datetime import timedelta

from sqlalchemy import func, select, update

from storage.database import Connection
from storage.tables import brake_control


async def release_brakes(connection: Connection, duration: timedelta) -> None:
    """Have every worker's brake off from now on, for so long."""
    await connection.execute(update(brake_control).values(released_until=func.now() + duration))


async def released_seconds(connection: Connection) -> float:
    """Return for how long the brakes are to be off, from now; 0 or less when they are not."""
    left = select(func.extract("epoch", brake_control.c.released_until - func.now()))
    return float((await connection.execute(left)).scalar_one())

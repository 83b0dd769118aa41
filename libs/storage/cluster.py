"""Which Kafka cluster belongs to this database."""

from sqlalchemy import func, select, update

from storage.database import Connection
from storage.tables import relay_state


async def settled_cluster(connection: Connection, cluster_id: str) -> str:
    """Return the id of the cluster that this database knows; `cluster_id` itself if it knew none until now."""
    known = func.coalesce(relay_state.c.cluster_id, cluster_id)
    settled = update(relay_state).values(cluster_id=known).returning(relay_state.c.cluster_id)
    return str((await connection.execute(settled)).scalar_one())


async def known_cluster(connection: Connection) -> str | None:
    """Return the id of the cluster that this database knows; None while no worker has met one. Settles nothing."""
    known: str | None = await connection.scalar(select(relay_state.c.cluster_id))
    return known

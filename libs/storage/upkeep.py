"""Trims what would grow for ever."""

from datetime import timedelta

from sqlalchemy import text

from storage.database import Connection

_TRIM = text("""
    DELETE FROM rejected_requests
    WHERE (topic, partition, "offset", timestamp_ms) IN (
        SELECT topic, partition, "offset", timestamp_ms FROM rejected_requests
        WHERE rejected_at < now() - CAST(:retention AS interval)
        ORDER BY rejected_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
""")


async def trim_rejections(connection: Connection, *, retention: timedelta, most: int) -> int:
    """Delete at most so many rejected requests older than `retention`, oldest first; return how many.

    Several at once do not wait for each other.
    """
    return (await connection.execute(_TRIM, {"retention": retention, "most": most})).rowcount

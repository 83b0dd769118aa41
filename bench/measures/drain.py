"""Queued requests: how fast they are worked off until the last event is visible."""

from functools import partial

from bench.backlog import publish_last_in_line, publish_requests
from bench.drains import Drained, drain
from bench.installation import Installation, badge_id, connected
from bench.participants import AWARDED_BEFORE
from bench.setting import Figures, Setting, cpu_figures

LOAD_SECONDS = 1800

_LOAD = f"""
    INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)
    SELECT $1, {AWARDED_BEFORE}, $2, now(), 'before-' || n, '/bench' FROM generate_series(1, $3::bigint) AS n
"""  # noqa: S608 - both parts are ours
_AWARD_BYTES = "SELECT pg_total_relation_size('awards') / (SELECT count(*) FROM awards)"


async def fresh_and_duplicates(setting: Setting) -> Figures:
    """All fresh; then the same requests once more, all duplicates."""
    requests = setting.effort.drained
    async with setting.installation() as place:
        await publish_requests(place, range(requests))
        fresh = await drain(place, place.worker, requests=requests, events=requests)
        await publish_requests(place, range(requests), wave="second")
        last = await publish_last_in_line(place)
        duplicates = await drain(place, place.worker, requests=requests + last, events=last)
    return {
        "drain_per_second": fresh.per_second,
        "duplicates_per_second": duplicates.per_second,
        **cpu_figures("drain", fresh.cpu_microseconds),
        **cpu_figures("duplicates", duplicates.cpu_microseconds),
    }


async def one_by_one(setting: Setting) -> Figures:
    """Peer (a); and as it is by FastStream's default, which loses messages."""
    safe = await _one_by_one(setting, acknowledges_first=False)
    loose = await _one_by_one(setting, acknowledges_first=True)
    return {
        "one_by_one_per_second": safe.per_second,
        "one_by_one_ack_first_per_second": loose.per_second,
        **cpu_figures("one_by_one", safe.cpu_microseconds),
    }


async def among_many_awards(setting: Setting) -> Figures:
    """All fresh, where millions of awards are there already."""
    place = setting.grown = setting.grown or await _grown(setting)
    requests = setting.effort.drained
    await publish_requests(place, range(setting.round * requests, (setting.round + 1) * requests))
    drained = await drain(place, place.worker, requests=requests, events=requests)
    async with connected(place) as connection:
        size = await connection.fetchval(_AWARD_BYTES)
    return {"drain_among_many_per_second": drained.per_second, "award_bytes": float(size)}


async def one_and_two_workers(setting: Setting) -> Figures:
    """On 6 partitions: one worker, then two."""
    requests = setting.effort.drained_by_two
    rates = {}
    for workers in setting.in_turn((1, 2)):
        async with setting.installation(partitions=6) as place:
            await publish_requests(place, range(requests))
            rates[workers] = await drain(place, place.worker, requests=requests, events=requests, workers=workers)
    return {"one_worker_per_second": rates[1].per_second, "two_workers_per_second": rates[2].per_second}


async def _one_by_one(setting: Setting, *, acknowledges_first: bool) -> Drained:
    requests = setting.effort.drained_one_by_one
    async with setting.installation() as place:
        await publish_requests(place, range(requests))
        start = partial(place.one_by_one, acknowledges_first=acknowledges_first)
        return await drain(place, start, requests=requests, events=requests)


async def _grown(setting: Setting) -> Installation:
    place = await setting.kept.enter_async_context(setting.installation())
    badge = await badge_id(place)
    async with connected(place) as connection:
        # A superuser's right: the rows refer to a badge that is there, so nobody has to check ten million times.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_LOAD, place.tenant_id, badge, setting.effort.awards_before, timeout=LOAD_SECONDS)
        await connection.execute("VACUUM ANALYZE awards", timeout=LOAD_SECONDS)
        await connection.execute("CHECKPOINT", timeout=LOAD_SECONDS)
    return place

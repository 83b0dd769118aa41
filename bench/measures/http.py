"""Award calls and lists over HTTP, by wrk."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import uuid4

from bench.contenders import BARE_LIST, DUAL_WRITE, NO_OP, ORM_DUAL_WRITE, OUR_LIST, OURS, Contender
from bench.cpu import CpuMeter
from bench.installation import Installation, badge_id, connected
from bench.setting import Figures, Setting, cpu_figures
from bench.wrk import Answered, Load

CALLERS = 32
HOLDERS = 4_000
"""So many share the duplicates and lists: nobody reaches the cap of 120 award calls a minute."""

_HOLDERS = f"""
    INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)
    SELECT $1, 'holder-' || n, badge_id, now(), 'before-' || n, '/bench'
    FROM generate_series(0, {HOLDERS - 1}) AS n, unnest($2::uuid[]) AS badge_id
"""  # noqa: S608 - a number of ours
_MORE_BADGES = """
    INSERT INTO badges (id, tenant_id, code, name, description, category, display_order)
    SELECT gen_random_uuid(), $1, 'badge_' || n, 'Badge ' || n, 'Do it ' || n || ' times.', 'engagement', 100 + n
    FROM generate_series(1, $2) AS n
"""
SHOWN, EARNED = 50, 20

Prepare = Callable[[Installation], Awaitable[None]]


async def many_callers(setting: Setting) -> Figures:
    """Fresh awards, 32 callers."""
    return await _awards(setting, (OURS, DUAL_WRITE, ORM_DUAL_WRITE, NO_OP), callers=CALLERS, suffix="")


async def one_caller(setting: Setting) -> Figures:
    """Fresh awards, one caller."""
    return await _awards(setting, (OURS, DUAL_WRITE, ORM_DUAL_WRITE, NO_OP), callers=1, suffix="_single")


async def duplicates(setting: Setting) -> Figures:
    """Awards that are there already, 32 callers."""
    figures: dict[str, float] = {}
    for contender in setting.in_turn((OURS, DUAL_WRITE, ORM_DUAL_WRITE)):
        load = Load(kind="award", names="holder-%d", count=HOLDERS)
        answered, cpu = await _called(setting, contender, load, load, callers=CALLERS, prepare=_hold_one)
        figures |= _figures(f"{contender.name}_duplicates", answered, cpu)
    return figures


async def lists(setting: Setting) -> Figures:
    """Lists of 50 badges, 20 of them earned, 32 callers."""
    figures: dict[str, float] = {}
    for contender in setting.in_turn((OUR_LIST, BARE_LIST)):
        load = Load(kind="list", names="holder-%d", count=HOLDERS)
        answered, cpu = await _called(setting, contender, load, load, callers=CALLERS, prepare=_hold_many)
        figures |= _figures(contender.name, answered, cpu)
    return figures


async def _awards(setting: Setting, contenders: Sequence[Contender], *, callers: int, suffix: str) -> Figures:
    figures: dict[str, float] = {}
    for contender in setting.in_turn(contenders):
        warm_up, load = (Load(kind="award", names=f"{uuid4()}-%d") for _ in range(2))
        answered, cpu = await _called(setting, contender, warm_up, load, callers=callers)
        figures |= _figures(f"{contender.name}{suffix}", answered, cpu)
    return figures


async def _called(
    setting: Setting,
    contender: Contender,
    warm_up: Load,
    load: Load,
    *,
    callers: int,
    prepare: Prepare | None = None,
) -> tuple[Answered, Mapping[str, float]]:
    """What the callers saw, and the processor time per call, by component."""
    async with setting.installation() as place:
        if prepare is not None:
            await prepare(place)
        url, processes = await contender.ready(place)
        await setting.wrk.warm_up(url, place.key, warm_up, connections=callers)
        meter = CpuMeter(place, {component: [process] for component, process in processes.items()})
        answered = await setting.wrk.run(url, place.key, load, connections=callers, seconds=setting.effort.http_seconds)
        return answered, meter.microseconds(answered.requests)


def _figures(name: str, answered: Answered, cpu: Mapping[str, float]) -> Figures:
    return {
        f"{name}_rps": answered.per_second,
        f"{name}_p50_ms": answered.p50_ms,
        f"{name}_p99_ms": answered.p99_ms,
        **cpu_figures(name, cpu),
    }


async def _hold_one(place: Installation) -> None:
    """Let every holder have the badge that is awarded."""
    badge = await badge_id(place)
    async with connected(place) as connection:
        await connection.execute(_HOLDERS, place.tenant_id, [badge])


async def _hold_many(place: Installation) -> None:
    """Let there be 50 badges to be shown, of which every holder has 20."""
    async with connected(place) as connection:
        badges = "SELECT id FROM badges WHERE tenant_id = $1 AND NOT is_hidden ORDER BY code"
        there = await connection.fetch(badges, place.tenant_id)
        await connection.execute(_MORE_BADGES, place.tenant_id, SHOWN - len(there))
        ids = [row["id"] for row in await connection.fetch(badges, place.tenant_id)]
        await connection.execute(_HOLDERS, place.tenant_id, ids[:EARNED])
        await connection.execute("VACUUM ANALYZE awards")

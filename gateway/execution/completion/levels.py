"""Values completed by plans: some rows at a time, and level by level where loaders are waited for."""

from collections.abc import Sequence
from typing import Any

from gateway.execution.completion.leaves import Surprise
from gateway.execution.completion.plan import ObjectPlan, Row, Run
from gateway.execution.time_slices import TimeSlice
from gateway.upstream.context import Context
from gateway.upstream.loaders import Loaders

# Objects that are completed before anybody else gets a turn: plans with all their countries take
# some 5 microseconds each.
AT_ONCE = 100


async def rest(
    plan: ObjectPlan, sources: Sequence[Any], rows: list[Row], run: Run, context: Context
) -> None:
    """Completes what follows the first AT_ONCE, and what was left to loaders.

    Raises Surprise, and whatever a loader does.
    """
    if len(sources) > AT_ONCE:
        time_slice = TimeSlice()
        for start in range(AT_ONCE, len(sources), AT_ONCE):
            await time_slice.pause()
            rows += plan.rows(sources[start : start + AT_ONCE], run)
    while run.waiting:
        await _load(run, context.loaders)
    spend(run, context)


def spend(run: Run, context: Context) -> None:
    """Counts the objects of what is complete; raises Surprise when other fields used the room up."""
    if run.objects > context.room:
        raise Surprise
    context.spend(run.objects)


async def _load(run: Run, loaders: Loaders) -> None:
    """Fills what waits for loaders: one round for all fields of a level."""
    waiting, run.waiting = run.waiting, []
    asked = [
        (
            loaders.of(field.declaration.loader),
            list(map(field.declaration.key, sources)),
            field,
            sources,
            rows,
        )
        for plan, sources, rows in waiting
        for field in plan.loaded
    ]
    for loader, keys, *_ in asked:
        loader.ask(keys)
    for loader, keys, (name, declaration, plan, listed), sources, rows in asked:
        values = declaration.shown(sources, await loader.many(keys))
        there = [value for value in values if value is not None]
        if listed:
            run.count(sum(map(len, there)))
        completed = iter(plan.lists(there, run) if listed else plan.rows(there, run))
        for row, value in zip(rows, values, strict=True):
            row[name] = None if value is None else next(completed)

"""Completes values by plans: chunk by chunk, and level by level where fields wait for loaders."""

from collections.abc import Sequence
from typing import Any

from gateway.execution.completion.leaves import Surprise
from gateway.execution.completion.plan import ObjectPlan, Row, Run
from gateway.execution.time_slices import TimeSlice
from gateway.upstream.context import Context
from gateway.upstream.loaders import Loaders

# Objects that are completed before other tasks may run; a plan with its countries takes some 5 microseconds.
CHUNK = 100


async def complete_rest(
    plan: ObjectPlan, sources: Sequence[Any], rows: list[Row], run: Run, context: Context
) -> None:
    """Complete the rows after the first CHUNK, and the fields that wait for loaders.

    Raises Surprise, and any exception of a loader.
    """
    if len(sources) > CHUNK:
        time_slice = TimeSlice()
        for start in range(CHUNK, len(sources), CHUNK):
            await time_slice.pause()
            rows += plan.rows(sources[start : start + CHUNK], run)
    while run.waiting:
        await _load(run, context.loaders)
    spend(run, context)


def spend(run: Run, context: Context) -> None:
    """Count the completed objects; raise Surprise if other fields used up the room meanwhile."""
    if run.objects > context.room:
        raise Surprise
    context.spend(run.objects)


async def _load(run: Run, loaders: Loaders) -> None:
    """Fill the fields that wait for loaders, one level at a time."""
    waiting, run.waiting = run.waiting, []
    requests = [
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
    for loader, keys, *_ in requests:
        loader.prefetch(keys)
    for loader, keys, (name, declaration, plan, listed), sources, rows in requests:
        values = declaration.visible(sources, await loader.many(keys))
        present = [value for value in values if value is not None]
        if listed:
            run.count(sum(map(len, present)))
        completed = iter(plan.lists(present, run) if listed else plan.rows(present, run))
        for row, value in zip(rows, values, strict=True):
            row[name] = None if value is None else next(completed)

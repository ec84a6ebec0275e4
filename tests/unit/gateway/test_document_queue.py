"""Long documents are parsed one after another, and other requests run in between."""

import asyncio

from gateway.documents.persisted import STEPS, DocumentQueue


async def test_other_tasks_run_between_two_documents() -> None:
    queue, done = DocumentQueue(), []

    async def long(number: int) -> None:
        await queue.wait()
        done.append(f"long {number}")

    async def short() -> None:
        for _ in range(STEPS):
            await asyncio.sleep(0)
        done.append("short")

    await asyncio.gather(*(long(number) for number in range(5)), short())
    assert done.index("short") <= 1
    assert [one for one in done if one != "short"] == [f"long {number}" for number in range(5)]


async def test_a_cancelled_waiter_passes_its_turn_on() -> None:
    queue = DocumentQueue()
    waiting = [asyncio.create_task(queue.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting[:2]:
        task.cancel()
    await asyncio.wait(waiting)
    assert [task.cancelled() for task in waiting] == [True, True, False]

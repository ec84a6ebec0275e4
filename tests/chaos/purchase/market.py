"""Prices that the provider moves while everybody buys, and a record of when it did."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.wishes import Plan

# What a price is multiplied by; half of the time it is the one that the catalogue shows.
FACTORS = tuple(map(Decimal, ("1", "1", "1", "0.9", "1.5", "3")))
# Seconds between two moves of a price, at the most.
LONGEST_REST = 0.5


@dataclass(frozen=True, slots=True)
class Move:
    """The price was set at some moment between the two."""

    price: Decimal
    after: datetime
    before: datetime


@dataclass(slots=True)
class Market:
    """Moves the prices of plans at the sandbox, and remembers every move."""

    machine: Machine
    moves: dict[str, list[Move]] = field(default_factory=dict)

    @asynccontextmanager
    async def moving(self, plans: Sequence[Plan], chance: random.Random) -> AsyncIterator[None]:
        """Moves prices during the block, and sets them back at its end."""
        for plan in plans:
            await self._set(plan, plan.price)
        task = asyncio.create_task(self._move(plans, chance))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            for plan in plans:
                await self._set(plan, plan.price)

    async def _move(self, plans: Sequence[Plan], chance: random.Random) -> None:
        while True:
            plan = chance.choice(plans)
            await self._set(plan, plan.price * chance.choice(FACTORS))
            await asyncio.sleep(chance.uniform(0, LONGEST_REST))

    async def _set(self, plan: Plan, price: Decimal) -> None:
        after = datetime.now(UTC)
        body = {"name": plan.name, "price": float(price)}
        await self.machine.control("POST", "/catalogue/price", body)
        self.moves.setdefault(plan.name, []).append(Move(price, after, datetime.now(UTC)))

    def lowest(self, name: str, since: datetime, until: datetime) -> Decimal | None:
        """The lowest price that may have held at some moment of the time; None if none is known."""
        return lowest(self.moves.get(name, ()), since, until)


def lowest(moves: Sequence[Move], since: datetime, until: datetime) -> Decimal | None:
    """The lowest price that may have held between the two moments; None if none is known."""
    if not moves:
        return None
    # The first move sets the price that held before it.
    starts = [since, *(move.after for move in moves[1:])]
    ends = [*(move.before for move in moves[1:]), until + timedelta(days=1)]
    held = [
        move.price
        for move, start, end in zip(moves, starts, ends, strict=True)
        if start <= until and end >= since
    ]
    return min(held)

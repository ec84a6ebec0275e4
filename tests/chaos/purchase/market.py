"""Price changes at the provider during purchases, and a record of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.chaos.purchase.machine import Machine
from tests.chaos.purchase.wishes import Plan

# Multipliers of a price; half of the time it is the one in the catalogue.
FACTORS = tuple(map(Decimal, ("1", "1", "1", "0.9", "1.5", "3")))
# Maximum seconds between two price changes.
LONGEST_REST = 0.5


@dataclass(frozen=True, slots=True)
class Move:
    """The price was set at some moment between the two."""

    price: Decimal
    after: datetime
    before: datetime


@dataclass(slots=True)
class Market:
    """Changes the prices of plans at the sandbox, and records every change."""

    machine: Machine
    moves: dict[str, list[Move]] = field(default_factory=dict)

    @asynccontextmanager
    async def moving(self, plans: Sequence[Plan], chance: random.Random) -> AsyncIterator[None]:
        """Change prices during the block, and reset them at its end."""
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
        """Return the lowest price that may have held at some moment of the interval; None if unknown."""
        return lowest(self.moves.get(name, ()), since, until)


def lowest(moves: Sequence[Move], since: datetime, until: datetime) -> Decimal | None:
    """Return the lowest price that may have held between the two moments; None if unknown."""
    if not moves:
        return None
    # The first change records the price that held before it.
    starts = [since, *(move.after for move in moves[1:])]
    ends = [*(move.before for move in moves[1:]), until + timedelta(days=1)]
    held = [
        move.price
        for move, start, end in zip(moves, starts, ends, strict=True)
        if start <= until and end >= since
    ]
    return min(held)

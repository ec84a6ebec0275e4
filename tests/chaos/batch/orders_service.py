"""The orders service with a built-in fault of batches: `python -m tests.chaos.batch.orders_service MUTANT`.

Only for the harness: the service itself has no such options.
"""

import sys
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection
from kit.process.run import run
from services.orders.__main__ import serve
from services.orders.budgets import reserve
from services.orders.purchase.turn import BatchTurn, Peek
from services.orders.settings import Settings
from tests.chaos.purchase import broken_orders


def no_pause() -> None:
    """Place every order of a batch at once, without a pause after the previous one."""

    async def peek(self: BatchTurn, batch_order_id: UUID) -> Peek:
        return Peek(0.0, cancelled=False)

    async def take(self: BatchTurn, connection: Connection, order_id: UUID) -> bool:
        return True

    BatchTurn.peek, BatchTurn.take = peek, take  # type: ignore[method-assign]


def repeats() -> None:
    """Repeat a call of unclear outcome, as if it had not been sent."""
    broken_orders.repeat_unclear_purchases()


def leaks() -> None:
    """Don't move the reservation of a batch to its orders, so that it is never settled."""

    async def move(
        connection: Connection, from_purchase: UUID, to_purchase: UUID, amount: Decimal
    ) -> None:
        return None

    reserve.move = move


MUTANTS = {"no_pause": no_pause, "repeats": repeats, "leaks": leaks}

if __name__ == "__main__":
    MUTANTS[sys.argv[1]]()
    run("orders", 9452, Settings.read, Settings.secrets, serve)

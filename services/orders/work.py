"""A run on one order under its lease: commits its steps, and computes the pauses between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Unpack
from uuid import UUID

from kit.db.database import Connection, Database
from kit.telemetry import tracing
from services.orders import store
from services.orders.metrics import Metrics
from services.orders.order import DeliveredESIM, Order
from services.orders.store import Changes


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of that many seconds before work on the order can continue."""

    seconds: float


@dataclass(slots=True)
class Work:
    """An order and the run that has its lease; `order` is its last committed state.

    `delivered` are its eSIMs if this run has recorded them, so that it need not read them.
    """

    database: Database
    order: Order
    run: UUID
    lease: timedelta
    actor: str  # named in the order's steps: purchase or cancellation
    metrics: Metrics
    delivered: Sequence[DeliveredESIM] = ()
    since: datetime | None = None  # since when the order can be bought; None: its claim

    async def step(
        self, event: str, connection: "Connection | None" = None, **changes: Unpack[Changes]
    ) -> None:
        """Commit a step of the order, in the given transaction or in its own.

        With a connection, `order` includes the step before it is committed: if the transaction fails, this
        object must not be used any more.
        """
        if connection is None:
            async with self.database.system() as own:
                await self.step(event, own, **changes)
            return
        self.order = await store.step(
            connection, self.order, self.run, self.lease, event=event, actor=self.actor, **changes
        )
        tracing.add_event(event, {"esimgo.order.status": self.order.status.value})
        if status := changes.get("status"):
            self.metrics.changed(status, datetime.now(UTC) - (self.since or self.order.created_at))

    async def explain(self, reason: str) -> None:
        """Record, for the customer, why the order takes longer, unless that reason is recorded already."""
        if self.order.status_reason != reason:
            await self.step("waiting", reason=reason)


def growing_pause(age: timedelta, minimum: float, maximum: float) -> Pause:
    """Return a pause of a quarter of the time already waited, within bounds in seconds."""
    return Pause(min(maximum, max(minimum, age.total_seconds() / 4)))

"""A run on one order under its lease: commits its steps, and computes the pauses between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Unpack
from uuid import UUID

from kit.db.database import Connection, Database
from kit.telemetry import tracing
from providers.esim_go.queue import Priority
from services.orders import store
from services.orders.metrics import Metrics
from services.orders.order import DeliveredESIM, Order
from services.orders.payment import Payment
from services.orders.store import Changes, ExpectedCost, Placed


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of that many seconds before work on the order can continue."""

    seconds: float


@dataclass(slots=True)
class Work:
    """An order and the run that has its lease; `order` is its last committed state.

    `delivered` are its eSIMs, and `payment` is its payment, as far as a transaction of this run has just
    recorded or read them.
    """

    database: Database
    order: Order
    run: UUID
    lease: timedelta
    actor: str  # named in the order's steps: purchase or cancellation
    metrics: Metrics
    delivered: Sequence[DeliveredESIM] = ()
    since: datetime | None = None  # since when the order can be bought; None: its claim
    payment: Payment | None = None

    @property
    def priority(self) -> Priority:
        """The priority of calls to the provider: those of a batch come after all that customers wait for."""
        return Priority.BULK if self.order.in_batch else Priority.WRITE

    async def step(
        self,
        event: str,
        connection: "Connection | None" = None,
        *,
        after: Sequence[str] = (),
        also: Placed | ExpectedCost | None = None,
        **changes: Unpack[Changes],
    ) -> None:
        """Commit a step of the order, in the given transaction or in its own.

        `after` are events that the same step records before its own, and `also` is recorded too.
        With a connection, `order` includes the step before it is committed: if the transaction fails, this
        object must not be used any more.
        """
        if connection is None:
            async with self.database.system() as own:
                await self.step(event, own, after=after, also=also, **changes)
            return
        for earlier in after:
            tracing.add_event(earlier, {"esimgo.order.status": self.order.status.value})
        self.order = await store.step(
            connection,
            self.order,
            self.run,
            self.lease,
            event=event,
            actor=self.actor,
            after=after,
            also=also,
            **changes,
        )
        tracing.add_event(event, {"esimgo.order.status": self.order.status.value})
        if status := changes.get("status"):
            since = self.since or self.order.created_at
            self.metrics.changed(status, self.database.now() - since)

    async def explain(self, reason: str) -> None:
        """Record, for the customer, why the order takes longer, unless that reason is recorded already."""
        if self.order.status_reason != reason:
            await self.step("waiting", reason=reason)


def growing_pause(age: timedelta, minimum: float, maximum: float) -> Pause:
    """Return a pause of a quarter of the time already waited, within bounds in seconds."""
    return Pause(min(maximum, max(minimum, age.total_seconds() / 4)))

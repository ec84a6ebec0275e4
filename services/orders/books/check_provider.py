"""Compares what was posted as cost with the orders that eSIM Go lists."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from kit.db.database import Database
from kit.values import currencies
from providers.esim_go.client import Priority
from services.orders.books import check_store
from services.orders.books.difference import Books, Counts, Difference, shown
from services.orders.datasource import OrdersDataSource
from services.orders.provider.provider_order import ProviderOrder

# Read at a time, so that memory does not depend on the period.
WINDOW = timedelta(days=1)
# By how much the provider's clock may differ, and how late it may list an order.
MARGIN = timedelta(minutes=15)
DELIVERED = ("COMPLETED", "CANCELLED", "REFUNDED")


class ProviderCheck:
    """Reads the provider's list day by day."""

    def __init__(self, database: Database, datasource: OrdersDataSource, counts: Counts) -> None:
        self._database = database
        self._datasource = datasource
        self._counts = counts

    async def run(self, start: datetime, end: datetime) -> AsyncIterator[Difference]:
        """Yield differences in both directions; raises Failure if the provider can't be reached."""
        at = start
        while at < end:
            until = min(at + WINDOW, end)
            async for found in self._window(at, until, settled=end - MARGIN):
                yield found
            at = until

    async def _window(
        self, start: datetime, end: datetime, *, settled: datetime
    ) -> AsyncIterator[Difference]:
        history = await self._datasource.get_history(
            start - MARGIN, end + MARGIN, priority=Priority.SYNC
        )
        async with self._database.system() as connection:
            bought = await check_store.unsettled(connection)
            owned = await check_store.owned(connection, list(history.orders))
            placed = await check_store.placed(connection, start, min(end, settled))
        references = [*history.orders, *(row.reference for row in history.unreadable.values())]
        listed = {reference.lower() for reference in references}
        for order in history.orders.values():
            if order.created_at is not None and not start <= order.created_at < end:
                continue  # read with the windows before and after
            self._counts.provider_orders += 1
            here = owned.get(order.reference)
            if here is None and (order.item, order.quantity) in bought:
                continue  # a purchase whose answer is not recorded yet
            found = _compared(order, here)
            if found is not None:
                yield found
        for row in placed:
            if row["provider_reference"].lower() not in listed:
                yield Difference(
                    Books.PROVIDER,
                    "ORDER_NOT_AT_PROVIDER",
                    str(row["id"]),
                    f"eSIM Go does not list its order {row['provider_reference']}: ask eSIM Go what it"
                    " charged",
                )


def _compared(order: ProviderOrder, here: Any) -> Difference | None:
    """Return how an order of the provider differs from the one here, None if it does not."""

    def found(code: str, subject: object, text: str) -> Difference:
        return Difference(Books.PROVIDER, code, str(subject), text)

    total = shown(order.total, order.currency or "") if order.total is not None else "an amount"
    if here is None:
        if order.item is None or not order.completed:
            return None
        return found(
            "PROVIDER_ORDER_UNKNOWN",
            order.reference,
            f"eSIM Go charged {total}, and no order here explains it: `esimgo orders unexplained`",
        )
    if here["posted"] is None or order.total is None or not here["in_books"]:
        return None  # what is not posted is reported by the comparison with orders
    currency = order.currency or here["currency"]
    expected = currencies.rounded(order.total, currency)
    if here["status"] in DELIVERED and (here["posted"], here["currency"]) != (expected, currency):
        return found(
            "PROVIDER_COST_DIFFERS",
            here["id"],
            f"eSIM Go charged {total} for {order.reference}, but the ledger has"
            f" {shown(here['posted'], here['currency'])}: correct the order's cost, or ask eSIM Go",
        )
    return None

"""A shop with paid, refunded, cancelled and failed orders, whose books are compared."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from protos.orders.v1 import books_pb2, books_pb2_grpc, orders_pb2, payments_pb2
from services.orders.books.movements import Movements
from services.orders.payments.stripe.adapter import Stripe
from services.orders.payments.stripe.api import API
from tests.component.orders.payments.paid_shop import WALLET, Open, PaidShop, buyer_id
from tests.component.orders.refunds.bought import bought, settled, usd, wanted
from tests.component.orders.shop import Metadata


@dataclass
class CheckedShop:
    """A running service, its buyer, and the result of a comparison."""

    shop: PaidShop
    service: Open
    books: Any
    buyer: Metadata
    customer: str

    @property
    def admin(self) -> Any:
        return self.shop.shop.databases.admin

    async def check(
        self, **period: Any
    ) -> tuple[list[books_pb2.Difference], books_pb2.BooksSummary]:
        """Return the differences and the summary."""
        found, summary = [], books_pb2.BooksSummary()
        request = books_pb2.CheckBooksRequest(**period)
        async for answer in self.books.CheckBooks(request, metadata=self.shop.shop.service_key):
            if answer.WhichOneof("result") == "difference":
                found.append(answer.difference)
            else:
                summary = answer.summary
        assert summary.differences == len(found)
        return found, summary

    async def codes(self) -> set[str]:
        differences, _ = await self.check()
        assert all(one.message and one.subject for one in differences)
        return {one.code for one in differences}

    async def force(self, statement: str, *arguments: Any) -> None:
        """Change rows behind the back of all triggers."""
        await self.admin.execute("set session_replication_role = replica")
        await self.admin.execute(statement, *arguments)
        await self.admin.execute("reset session_replication_role")

    async def post(self, key: str, account: str, other: str, amount: str = "1") -> None:
        """Post an act by hand."""
        await self.force(
            "with t as (insert into orders.ledger_transactions (kind, key, actor)"
            " values ('CORRECTION', $1, 'test') returning id)"
            " insert into orders.ledger_entries (transaction_id, n, account, amount, currency)"
            " select id, e.n, e.account, e.amount, 'USD' from t, (values"
            " (1::smallint, $2::text, $4::text::numeric), (2::smallint, $3, -($4::text::numeric)))"
            " as e(n, account, amount)",
            key,
            account,
            other,
            amount,
        )

    async def posted(self) -> None:
        await self.shop.shop.databases.until(
            "select not exists (select from orders.unposted_orders)"
        )

    async def read_balance(self) -> None:
        """Record the payment provider's balance, as the hourly job does."""
        stripe = self.shop.stripe
        port = Stripe(API(self.shop.shop.http, stripe), stripe)
        async with self.shop.shop.databases.open("orders") as database:
            since = await self.admin.fetchval("select since from orders.books")
            await Movements(database, port).read(port, since)


@asynccontextmanager
async def checked(shop: PaidShop, **changes: Any) -> AsyncIterator[CheckedShop]:
    """Run the service; it does not read the payment provider's balance or compare the books itself."""
    await shop.shop.databases.admin.execute(
        "update orders.books set balance_due_at = 'infinity', check_due_at = 'infinity'"
    )
    buyer, customer = await buyer_id(shop)
    async with shop.open(**changes) as service:
        # The books stub needs a channel of the same server: it is the one of the other stubs.
        books: Any = books_pb2_grpc.BooksServiceStub(service.channel)
        yield CheckedShop(shop, service, books, buyer, customer)


async def busy(found: CheckedShop) -> dict[str, str]:
    """Let everything happen once; return the orders by what happened to them."""
    shop, service, buyer = found.shop, found.service, found.buyer
    key = shop.shop.service_key
    shop.shop.sandbox.world.switches.refunds = True
    await service.payments.CorrectWallet(
        payments_pb2.CorrectWalletRequest(
            customer_id=found.customer, amount=usd("900"), note="a gift", idempotency_key="k"
        ),
        metadata=key,
    )
    kept = await bought(shop, service, buyer, use_wallet=False)
    refunded = await bought(shop, service, buyer)
    cancelled = await bought(shop, service, buyer, quantity=2)
    by_wallet = (
        await service.orders.CreateOrder(
            shop.request(WALLET, idempotency_key="wallet"), metadata=buyer
        )
    ).order
    await shop.reaches(by_wallet.id, "COMPLETED")
    await service.payments.RefundOrder(wanted(refunded.id, "0.7"), metadata=key)
    await service.payments.RefundOrder(wanted(by_wallet.id, "0.3"), metadata=key)
    request = orders_pb2.CancelOrderRequest(order_id=cancelled.id)
    await service.orders.CancelOrder(request, metadata=buyer)
    await settled(shop)
    await found.posted()
    return {
        "kept": kept.id,
        "refunded": refunded.id,
        "cancelled": cancelled.id,
        "by_wallet": by_wallet.id,
    }

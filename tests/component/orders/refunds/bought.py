"""Orders that were paid and delivered, for tests of refunds."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

from kit.values import money
from protos.common.v1 import money_pb2
from protos.orders.v1 import orders_pb2, payments_pb2
from tests.component.orders.payments.paid_shop import CARD, GOOD, Open, PaidShop
from tests.component.orders.shop import Metadata

REFUND = "select * from orders.refunds order by created_at, destination"


async def bought(
    shop: PaidShop, service: Open, buyer: Metadata, card: str = GOOD, **changes: Any
) -> orders_pb2.Order:
    """Buy and pay by card, or partly from the wallet, and return the delivered order."""
    wanted = shop.request(CARD, idempotency_key=str(uuid4()), **changes)
    order = (await service.orders.CreateOrder(wanted, metadata=buyer)).order
    row = await shop.payment(order.id)
    if row["method"] == "CARD":
        await shop.pay(row["intent_id"], card)
        await shop.due(order.id)
    await shop.reaches(order.id, "COMPLETED")
    return order


def usd(amount: str) -> money_pb2.Money:
    return money.to_proto(Decimal(amount), "USD")


def wanted(order_id: str, of: str = "", **changes: Any) -> payments_pb2.RefundOrderRequest:
    fields: dict[str, Any] = {"note": "a test", "idempotency_key": str(uuid4())}
    if of:
        fields["amount"] = usd(of)
    return payments_pb2.RefundOrderRequest(order_id=order_id, **(fields | changes))


async def refunds(shop: PaidShop) -> list[Any]:
    return list(await shop.shop.databases.admin.fetch(REFUND))


async def settled(shop: PaidShop, state: str = "SUCCEEDED") -> None:
    """Wait until all refunds have that state."""
    await shop.shop.databases.until("select bool_and(state = $1) from orders.refunds", state)


async def at_provider(shop: PaidShop) -> list[dict[str, Any]]:
    """Return the refunds that the payment provider made."""
    rows = (await shop.provider.control("GET", "/snapshot"))["refunds"]
    return [dict(row) for row in (rows.values() if isinstance(rows, dict) else rows)]


async def balances(shop: PaidShop) -> dict[str, Decimal]:
    rows = await shop.shop.databases.admin.fetch(
        "select account, sum(amount) as amount from orders.ledger_entries group by account"
    )
    return {row["account"]: row["amount"] for row in rows}

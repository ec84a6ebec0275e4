"""A plan whose price at the provider differs from that of the catalogue."""

from decimal import Decimal

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop

OLD = Decimal("1.37")
NEW = Decimal("9.99")


async def reprice(shop: Shop, price: Decimal) -> None:
    """Change the plan's price at the provider; the catalogue doesn't know it yet."""
    name = shop.catalogue.bundles[shop.plan_id].name
    await shop.control("catalogue/price", name=name, price=float(price))


async def charged(shop: Shop, order: orders_pb2.Order) -> Decimal:
    """Return what the provider charged for an order."""
    (entry,) = [e for e in shop.sandbox.world.ledger if e.reference == order.reference]
    return -Decimal(entry.amount)

"""Rows of orders and payments for tests of the ledger, wallets and refunds, written as the service does."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from kit.db.database import Connection

PAY = """
insert into orders.payments
    (order_id, customer_id, method, amount, wallet_amount, currency, expires_at, state)
values ($1, $2, $3, $4, $5, $6, $7, 'AWAITING') returning id
"""


async def top_up(
    connection: Connection, customer_id: UUID, amount: str = "10", currency: str = "USD"
) -> UUID:
    """Insert the payment of a top-up, and return its id."""
    return await pay(connection, None, customer_id, amount, currency)


async def pay(
    connection: Connection,
    order_id: UUID | None,
    customer_id: UUID,
    amount: str = "10",
    currency: str = "USD",
    *,
    method: str = "CARD",
    wallet: str = "0",
) -> UUID:
    """Insert a payment and return its id."""
    expires = datetime.now(UTC) + timedelta(minutes=30)
    found: Any = await connection.fetchval(
        PAY, order_id, customer_id, method, Decimal(amount), Decimal(wallet), currency, expires
    )
    return UUID(str(found))


ORDER = """
insert into orders.esim_orders (
    customer_id, plan_id, bundle_name, quantity, unit_price, total_price, currency, customer_reference,
    auto_activate, paid_by, expected_cost, cost_currency, recovery_point, rule_version, exchange_rate
) values ($1, $2, 'esim_1GB', $3, $4, $4, $5, '', false, $6, $7, 'USD', $8, 0, 1) returning id
"""


async def place(
    connection: Connection,
    customer_id: UUID,
    total: str = "10",
    currency: str = "USD",
    *,
    paid_by: str = "CUSTOMER",
    quantity: int = 1,
    cost: str = "4",
) -> UUID:
    """Insert a claimed order and return its id.

    An order that its customer pays needs its payment in the same transaction.
    """
    point = "AWAITING_PAYMENT" if paid_by == "CUSTOMER" else "CLAIMED"
    found: Any = await connection.fetchval(
        ORDER,
        customer_id,
        uuid4(),
        quantity,
        Decimal(total),
        currency,
        paid_by,
        Decimal(cost),
        point,
    )
    return UUID(str(found))

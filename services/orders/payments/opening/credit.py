"""The credit of an organization that buys on account: whether an order still fits."""

from typing import Any

from kit.db.database import Connection
from kit.errors import Failure, Kind
from kit.values import money
from services.orders.payment import Payment

# The row stays locked until the claim ends, so that purchases at once are checked one after the other. The
# trigger that reserves the amount (migration 054) checks the same again, whichever program inserts a payment.
LOCK = """
select billing, status, credit_limit - credit_reserved - credit_owed as available
from orders.organizations where id = $1 for no key update
"""


async def check(connection: Connection, payment: Payment) -> None:
    """Lock the credit of an organization, and check that the payment fits.

    Inserting the payment reserves its amount, which is in the currency of the organization. Raises Failure
    REFUSED: CREDIT_EXCEEDED, ORGANIZATION_SUSPENDED, or BILLING_CHANGED if the shop has just changed how the
    organization pays.
    """
    row: Any = await connection.fetchrow(LOCK, payment.organization_id)
    if row is None or row["billing"] != "INVOICE":
        raise Failure(
            Kind.REFUSED,
            "BILLING_CHANGED",
            "The shop has just changed how this organization pays, so nothing was bought: order again",
        )
    if row["status"] != "ACTIVE":
        raise Failure(
            Kind.REFUSED,
            "ORGANIZATION_SUSPENDED",
            "This organization is suspended, so nothing was bought; ask the shop",
        )
    if payment.amount > row["available"]:
        available = money.plain(max(row["available"], 0 * payment.amount))
        raise Failure(
            Kind.REFUSED,
            "CREDIT_EXCEEDED",
            f"This order costs {money.plain(payment.amount):f} {payment.currency}, and the organization can"
            f" buy for {available:f} {payment.currency} on account, so nothing was bought: pay a statement,"
            " or ask the shop for a higher credit limit",
            details={"available": f"{available:f}", "currency": payment.currency},
        )

"""Finds the order of a request that was made before: under its key, or by a second click."""

from dataclasses import dataclass

from kit.auth.sessions import Session
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from services.orders.order import Order, OrderRequest
from services.orders.payment import Payment
from services.orders.payments import store as payments
from services.orders.purchase import claim_store


@dataclass(frozen=True, slots=True)
class Claimed:
    """The order of a request; `repeated` is true if an earlier call created it.

    `payment` is that of a new order, if it has one.
    """

    order: Order
    repeated: bool
    payment: Payment | None = None


async def earlier(database: Database, session: Session, request: OrderRequest) -> Claimed | None:
    if request.idempotency_key is None:
        return None
    async with database.session(session) as connection:
        found = await claim_store.find_by_key(
            connection, request.customer_id, request.idempotency_key
        )
    if found is None:
        return None
    if not found.answers(request):
        raise conflict(found)
    if found.has_payment and request.payment is not None:
        async with database.system() as connection:
            await check_method(connection, found, request)
    return Claimed(found, repeated=True)


async def duplicate(database: Database, request: OrderRequest) -> Claimed | None:
    if not request.prevent_duplicates:
        return None
    lock = claim_store.duplicates_lock(request)
    async with database.system(locks=[lock]) as connection:
        duplicate = await claim_store.find_duplicate(connection, request)
        if duplicate is None:
            return None
        await check_method(connection, duplicate, request)
    return Claimed(duplicate, repeated=True)


def conflict(found: Order | None = None) -> Failure:
    """Return the failure for a key that was used before; the order is given if the caller may see it."""
    return Failure(
        Kind.CONFLICT,
        "IDEMPOTENCY_CONFLICT",
        "This idempotency key was used for another request; use a new key for a new order",
        details={"order_id": str(found.id)} if found else {},
    )


async def check_method(connection: Connection, order: Order, request: OrderRequest) -> None:
    """Raise Failure CONFLICT (IDEMPOTENCY_CONFLICT) if a repeat wants to pay an unpaid order differently."""
    if not order.unpaid or request.payment is None:
        return
    payment = await payments.of_order(connection, order.id)
    if payment is None or request.payment.use_wallet:
        return  # the wallet may pay all of it
    if payment.method is not request.payment.method:
        raise Failure(
            Kind.CONFLICT,
            "IDEMPOTENCY_CONFLICT",
            f"This order waits for its payment by {payment.method}: pay it, or cancel it and order again"
            " to pay in another way",
            details={"order_id": str(order.id)},
        )

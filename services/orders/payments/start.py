"""Starts payments at the payment provider, and returns what a client needs to pay."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from services.orders import store as order_rows
from services.orders.order import Order
from services.orders.payment import Payment, PaymentMethod, PaymentState
from services.orders.payments import state_store
from services.orders.payments.port import Checkout, Intent, PaymentPort, Start

# Keys of requests are good for 24 hours: after this time, what was requested is only searched.
KEYS_END = timedelta(hours=23)


@dataclass(frozen=True, slots=True)
class Started:
    """A payment with what a client needs to pay it, and the intent as the payment provider reports it.

    `intent` is None for a payment on the payment provider's page before the customer has tried to pay.
    """

    payment: Payment
    intent: Intent | None = None
    client_secret: str = field(default="", repr=False)
    redirect_url: str = field(default="", repr=False)
    session_open: bool = False


class Starts:
    """Starts each payment once: a repeated call finds what the first one created."""

    def __init__(self, database: Database, port: PaymentPort | None) -> None:
        self._database = database
        self._port = port

    @property
    def port(self) -> PaymentPort:
        """The payment provider; raises Failure UNAVAILABLE (PAYMENT_PROVIDER_UNREACHABLE) without a key."""
        if self._port is None:
            raise Failure(
                Kind.UNAVAILABLE,
                "PAYMENT_PROVIDER_UNREACHABLE",
                "Card payments are not set up here: set STRIPE_SECRET_KEY",
            )
        return self._port

    async def start(self, payment: Payment) -> Started:
        """Return an open payment as the payment provider has it now, and create it there before if necessary.

        The id is committed before this returns a secret. Raises Failure as the port does, and REFUSED
        (PAYMENT_NOT_OPEN) if the payment was given up meanwhile, or has expired before it was started.
        """
        if payment.method is not PaymentMethod.CARD:
            return Started(payment)
        if payment.intent_id is None and payment.session_id is None:
            return await self._begin(payment)
        return await self.read(payment)

    async def first(self, payment: Payment, order: Order) -> Started:
        """Start the payment of an order that was claimed a moment ago, which has recorded the request.

        Raises what `start` does.
        """
        return await self._create_once(payment, await self._request(payment, _describe(order)))

    async def read(self, payment: Payment) -> Started:
        """Return a payment that has begun as the payment provider has it now."""
        if not payment.hosted:
            intent = await self.port.get_intent(payment.intent_id or "")
            return Started(payment, intent, client_secret=intent.client_secret)
        checkout = await self.port.get_checkout(payment.session_id or "")
        return await self.with_intent(payment, checkout)

    async def with_intent(self, payment: Payment, checkout: Checkout) -> Started:
        """Return a payment on the payment provider's page with its intent, if the customer has one by now."""
        url, session_open = checkout.url if checkout.open else "", checkout.open
        intent_id = payment.intent_id or checkout.intent_id
        if intent_id is None:
            return Started(payment, redirect_url=url, session_open=session_open)
        if payment.intent_id is None and payment.state is PaymentState.AWAITING:
            payment = await self._record(payment, intent_id=intent_id)
        intent = await self.port.get_intent(intent_id)
        return Started(payment, intent, redirect_url=url, session_open=session_open)

    async def find(self, payment: Payment) -> Started | None:
        """Return a payment whose start may have been lost, if the payment provider has it."""
        since = payment.requested_at
        if since is None:
            return None
        if payment.hosted:
            checkout = await self.port.find_checkout(payment.id, since)
            if checkout is None:
                return None
            found = replace(payment, session_id=checkout.id)
            return await self.with_intent(found, checkout)
        intent = await self.port.find_intent(payment.id, since)
        if intent is None:
            return None
        found = replace(payment, intent_id=intent.id)
        return Started(found, intent, client_secret=intent.client_secret)

    async def _begin(self, payment: Payment) -> Started:
        async with self._database.system() as connection:
            requested = await state_store.record_request(connection, payment.id)
            if requested is None or requested.requested_at is None:
                raise not_open()
            description = await _description(connection, requested)
        start = await self._request(requested, description)
        if self._database.now() - requested.requested_at < KEYS_END:
            return await self._create_once(requested, start)
        found = await self._found(requested)
        if found is None:
            raise not_open()
        return found

    async def _create_once(self, payment: Payment, start: Start) -> Started:
        try:
            return await self._create(payment, start)
        except Failure as failure:
            if failure.reason == "PAYMENT_NOT_FOUND" and start.customer:
                # The record was deleted at the payment provider, or belongs to another account or mode.
                async with self._database.system() as connection:
                    await connection.execute(FORGET_CUSTOMER, payment.customer_id, start.customer)
                return await self._create_once(payment, replace(start, customer=""))
            if failure.kind is not Kind.UNCLEAR:
                raise
            # The same key may bring the same error again although the first request was carried out.
            found = await self._found(payment)
            if found is None:
                raise
            return found

    async def _create(self, payment: Payment, start: Start) -> Started:
        if payment.hosted:
            checkout = await self.port.start_checkout(start)
            recorded = await self._record(payment, session_id=checkout.id)
            return await self.with_intent(recorded, checkout)
        intent = await self.port.start_intent(start)
        recorded = await self._record(payment, intent_id=intent.id)
        return Started(recorded, intent, client_secret=intent.client_secret)

    async def _found(self, payment: Payment) -> Started | None:
        """Return and record what an earlier request has created, None if there is nothing."""
        found = await self.find(payment)
        if found is None:
            return None
        recorded = await self._record(
            payment, intent_id=found.payment.intent_id, session_id=found.payment.session_id
        )
        return replace(found, payment=recorded)

    async def _record(
        self, payment: Payment, *, intent_id: str | None = None, session_id: str | None = None
    ) -> Payment:
        async with self._database.system() as connection:
            recorded = await state_store.record_started(
                connection, payment.id, intent_id=intent_id, session_id=session_id
            )
        if recorded is None:
            raise not_open()
        return recorded

    async def _request(self, payment: Payment, description: str) -> Start:
        """Return what starts a payment; equal at each call, as the payment provider demands of repeats."""
        return Start(
            payment.id,
            payment.order_id,
            payment.card_amount,
            payment.currency,
            description,
            payment.return_url,
            payment.expires_at,
            capture_now=payment.order_id is None,
            customer=await self._customer(payment),
            save=payment.save_method,
        )

    async def _customer(self, payment: Payment) -> str:
        """Return the payment provider's id of a customer who saves a method, or has saved one; else "".

        Their record is created with the first method. Only the payment provider's page offers what was saved.
        """
        if not payment.save_method and not payment.hosted:
            return ""
        customer_id = payment.customer_id
        async with self._database.system() as connection:
            known: str | None = await connection.fetchval(CUSTOMER, customer_id)
        if known is not None or not payment.save_method:
            return known or ""
        created = await self.port.create_customer(customer_id)
        async with self._database.system() as connection:
            await connection.execute(RECORD_CUSTOMER, customer_id, created)
        return created


async def _description(connection: Connection, payment: Payment) -> str:
    """Return what the customer buys, as the payment provider's page shows it."""
    if payment.order_id is None:
        return "Wallet top-up"
    [order] = await order_rows.get(connection, [payment.order_id])
    return _describe(order)


def _describe(order: Order) -> str:
    title = (order.sold_plan or {}).get("title") or order.bundle_name
    return f"{order.quantity} x {title}" if order.quantity > 1 else str(title)


CUSTOMER = "select provider_id from orders.payment_customers where customer_id = $1"
FORGET_CUSTOMER = """
delete from orders.payment_customers where customer_id = $1 and provider_id = $2
"""
RECORD_CUSTOMER = """
insert into orders.payment_customers (customer_id, provider_id) values ($1, $2)
on conflict (customer_id) do nothing
"""


def not_open() -> Failure:
    """Return the refusal of a payment that can't be paid any more."""
    return Failure(
        Kind.REFUSED,
        "PAYMENT_NOT_OPEN",
        "This order can't be paid now: it is paid, expired or released; look at the order",
    )

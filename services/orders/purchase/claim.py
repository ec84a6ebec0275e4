"""Claims an order: the intent to buy, committed before the provider is called."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from kit.auth.sessions import Role, Session
from kit.db.database import Connection, Database, after_commit
from kit.errors import Failure, Kind
from services.orders import store
from services.orders.coupons.redeem import Discount, Discounts
from services.orders.order import FailureReason, Order, OrderRequest, Target
from services.orders.payments import store as payments
from services.orders.payments.opening import Openings
from services.orders.payments.payment import Choice
from services.orders.peers import Catalogue, ESIMs
from services.orders.plan import Plan
from services.orders.purchase import claim_store, quotes, refusals
from services.orders.purchase.limits import PurchaseLimits
from services.orders.purchase.prices import Prices
from services.orders.purchase.quotes import Quote

logger = logging.getLogger(__name__)

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The order of a request; `repeated` is true if an earlier call created it."""

    order: Order
    repeated: bool


@dataclass(frozen=True, slots=True)
class Sale:
    """What is sold, at which price, and how it is paid; `choice` is None if it isn't paid here."""

    plan: Plan
    quote: Quote
    target: Target | None
    discount: Discount
    choice: Choice | None


class Claims:
    """Records what customers want to buy, each request once.

    `begin` starts the purchase of an order that a run has leased for the time `lease`.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        esims: ESIMs,
        prices: Prices,
        discounts: Discounts,
        limits: PurchaseLimits,
        openings: Openings,
        begin: Callable[[Order, UUID], None],
        *,
        lease: timedelta,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._esims = esims
        self._prices = prices
        self._discounts = discounts
        self._limits = limits
        self._openings = openings
        self._begin = begin
        self._lease = lease
        self._committing: set[asyncio.Task[Claimed | None]] = set()

    async def claim(self, session: Session, request: OrderRequest) -> Claimed:
        """Return the order for this request, new or from an earlier call.

        Raises Failure CONFLICT (IDEMPOTENCY_CONFLICT), REFUSED with PRICE_CHANGED, PURCHASE_LIMIT_...,
        COUPON_..., PAYMENT_..., WALLET_TOO_LOW or ESIM_INCOMPATIBLE, UNAVAILABLE (PRICE_NOT_CONFIRMED),
        NOT_FOUND (ESIM_NOT_FOUND), and the catalogue's failures for the plan and the currency.
        """
        earlier = await self._earlier(session, request)
        if earlier is not None:
            return earlier
        refusal: Failure | None = None
        try:
            claimed = await self._new(session, request)
        except Failure as failure:
            claimed, refusal = None, failure
        if claimed is not None:
            return claimed
        # Another call with the same key came first; its order may be the reason why this one was refused.
        earlier = await self._earlier(session, request)
        if earlier is not None:
            return earlier
        if refusal is not None:
            raise refusal
        raise LookupError("the idempotency key belongs to an order that its customer can't read")

    async def _new(self, session: Session, request: OrderRequest) -> Claimed | None:
        """Return the new order, or one that `prevent_duplicates` found; None if the key is taken."""
        choice = self._openings.check(session, request.payment)
        plan = await self._catalogue.get_plan(request.plan_id, request.quantity, request.currency)
        by_service = session.role is Role.SERVICE
        try:
            discount = await self._discounts.find(request, plan)
        except Failure:
            # The first of two clicks may have used up the coupon.
            earlier = await self._duplicate(request)
            if earlier is None:
                raise
            return earlier
        known = self._prices.known(request, plan, discount.amount)
        calls = request.esim_id is not None or self._prices.calls_provider(request, known)
        if calls and not request.prevent_duplicates:
            # Checked before the provider is called, so that a customer above a limit causes no call. Other
            # reasons to refuse the request come before the limits of spending: otherwise requests that can't
            # succeed would tell, by their refusal, how high the cost is. To check an eSIM takes a call, so
            # with one the cost counts only in the transaction of the claim.
            cost = known.cost if request.esim_id is None else NOTHING
            async with self._database.system() as connection:
                await self._limits.check(
                    connection, request.customer_id, cost, by_service=by_service
                )
        target = await self._target(session, request, plan)
        quote = await self._prices.quote(request, plan, target, discount.amount)
        if choice is not None:
            quote = quotes.payable(quote)
            refusals.check_limits(request, quote)
        sale = Sale(plan, quote, target, discount, choice)
        # Not cancelled if the client hangs up: an order that is committed, but whose purchase is not started,
        # would wait until its lease ends.
        committing = asyncio.create_task(self._commit(session, request, sale))
        self._committing.add(committing)
        committing.add_done_callback(self._committing.discard)
        try:
            return await asyncio.shield(committing)
        except asyncio.CancelledError:
            committing.add_done_callback(_log_unforeseen)
            raise

    async def _commit(self, session: Session, request: OrderRequest, sale: Sale) -> Claimed | None:
        """Record the order and start its purchase, or return what `_new` does."""
        locks = self._limits.locks(request.customer_id)
        if request.prevent_duplicates:
            locks.insert(0, claim_store.duplicates_lock(request))
        by_service = session.role is Role.SERVICE
        async with self._database.system(locks=locks) as connection:
            if request.prevent_duplicates:
                duplicate = await claim_store.find_duplicate(connection, request)
                if duplicate is not None:
                    await _check_method(connection, duplicate, request)
                    return Claimed(duplicate, repeated=True)
            # If this refuses a request whose key was taken meanwhile, `claim` returns that order.
            await self._limits.check(
                connection, request.customer_id, sale.quote.cost, by_service=by_service
            )
            claimed = await self._record(connection, session, request, sale)
        return None if claimed is None else Claimed(claimed, repeated=False)

    async def _record(
        self, connection: Connection, session: Session, request: OrderRequest, sale: Sale
    ) -> Order | None:
        """Record the order with its coupon and its payment; None if the key is taken.

        After the commit, a run with the order's lease buys it, unless it has to be paid first.
        """
        opening = await self._openings.prepare(
            connection,
            session,
            sale.choice,
            request.customer_id,
            sale.quote.total,
            sale.quote.currency,
        )
        run = uuid4()
        claimed = await claim_store.claim(
            connection,
            request,
            sale.plan,
            sale.quote,
            sale.target,
            opening,
            run=run,
            lease=self._lease,
            actor=str(session.user_id or "service"),
        )
        if claimed is not None:
            await self._discounts.reserve(connection, claimed, sale.discount)
            await self._openings.record(connection, opening, claimed.id)
            if not claimed.unpaid:
                after_commit(lambda: self._begin(claimed, run))
        return claimed

    async def _duplicate(self, request: OrderRequest) -> Claimed | None:
        if not request.prevent_duplicates:
            return None
        lock = claim_store.duplicates_lock(request)
        async with self._database.system(locks=[lock]) as connection:
            duplicate = await claim_store.find_duplicate(connection, request)
            if duplicate is None:
                return None
            await _check_method(connection, duplicate, request)
        return Claimed(duplicate, repeated=True)

    async def _target(self, session: Session, request: OrderRequest, plan: Plan) -> Target | None:
        if request.esim_id is None:
            return None
        target = await self._esims.get_target(
            request.esim_id, request.customer_id, plan.bundle_name, session.token
        )
        if not target.fits and not request.allow_reassign:
            raise Failure(
                Kind.REFUSED,
                FailureReason.ESIM_INCOMPATIBLE,
                "This plan is not compatible with that eSIM: buy it on a new eSIM, or set"
                " `allowReassign`",
            )
        return target

    async def _earlier(self, session: Session, request: OrderRequest) -> Claimed | None:
        if request.idempotency_key is None:
            return None
        async with self._database.session(session) as connection:
            found = await store.find_by_key(
                connection, request.customer_id, request.idempotency_key
            )
        if found is None:
            return None
        if not found.answers(request):
            raise Failure(
                Kind.CONFLICT,
                "IDEMPOTENCY_CONFLICT",
                "This idempotency key was used for another request; use a new key for a new order",
                details={"order_id": str(found.id)},
            )
        if found.has_payment and request.payment is not None:
            async with self._database.system() as connection:
                await _check_method(connection, found, request)
        return Claimed(found, repeated=True)


def _log_unforeseen(committed: "asyncio.Task[Claimed | None]") -> None:
    """Log an error for which no client waits any more; a refusal is of no interest then."""
    error = None if committed.cancelled() else committed.exception()
    if error is not None and not isinstance(error, Failure):
        logger.error("a claim failed after its client had hung up", exc_info=error)


async def _check_method(connection: Connection, order: Order, request: OrderRequest) -> None:
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

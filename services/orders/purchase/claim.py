"""Claims an order: the intent to buy, committed before the provider is called."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from kit.auth.sessions import Role, Session
from kit.db.database import Connection, Database, after_commit
from kit.errors import Failure, Kind
from services.orders.budgets import reserve as budgets
from services.orders.coupons.redeem import Discount, Discounts
from services.orders.metrics import Metrics
from services.orders.order import Order, OrderRequest, Target
from services.orders.organizations import purchasing
from services.orders.organizations.membership import Membership
from services.orders.payment import Choice
from services.orders.payments.opening.opening import Openings
from services.orders.payments.opening.payers import Payer
from services.orders.peers import Catalogue, ESIMs
from services.orders.plan import Plan
from services.orders.purchase import claim_store, quotes, refusals, repeats
from services.orders.purchase.limits import PurchaseLimits
from services.orders.purchase.prices import Prices
from services.orders.purchase.quotes import Quote
from services.orders.purchase.repeats import Claimed
from services.orders.status_reasons import FailureReason

logger = logging.getLogger(__name__)

NOTHING = Decimal(0)


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
        metrics: Metrics,
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
        self._metrics = metrics
        self._lease = lease
        self._committing: set[asyncio.Task[Claimed | None]] = set()

    async def claim(self, session: Session, request: OrderRequest) -> Claimed:
        """Return the order for this request, new or from an earlier call.

        Raises Failure CONFLICT (IDEMPOTENCY_CONFLICT), REFUSED with PRICE_CHANGED, PURCHASE_LIMIT_...,
        COUPON_..., PAYMENT_..., WALLET_TOO_LOW or ESIM_INCOMPATIBLE, UNAVAILABLE (PRICE_NOT_CONFIRMED),
        NOT_FOUND (ESIM_NOT_FOUND), and the catalogue's failures for the plan and the currency. For an
        organization also what `purchasing` raises, and REFUSED (BUDGET_EXCEEDED).
        """
        payer = Payer(
            session,
            request.customer_id,
            await self._organization(request),
            elsewhere=session.role is Role.SERVICE and request.reservation is None,
        )
        request = purchasing.in_currency(request, payer.organization)
        # Read at the same time as the order of an earlier call, which few requests have.
        plan = asyncio.create_task(self._plan(request, payer.organization))
        plan.add_done_callback(_ignore)
        try:
            earlier = await repeats.earlier(self._database, session, request)
            if earlier is not None:
                return earlier
            refusal: Failure | None = None
            try:
                claimed = await self._new(payer, request, plan)
            except Failure as failure:
                claimed, refusal = None, failure
        finally:
            plan.cancel()
        if claimed is not None:
            return claimed
        # Another call with the same key came first; its order may be the reason why this one was refused.
        earlier = await repeats.earlier(self._database, session, request)
        if earlier is not None:
            return earlier
        if refusal is not None:
            raise refusal
        # The key belongs to an order for an organization that the customer has left.
        raise repeats.conflict()

    async def _plan(self, request: OrderRequest, member: Membership | None) -> Plan:
        with purchasing.priced(member):
            return await self._catalogue.get_plan(
                request.plan_id, request.quantity, request.currency
            )

    async def _organization(self, request: OrderRequest) -> Membership | None:
        """Return for which organization the customer buys; its rules are checked in the claim itself."""
        if request.organization_id is None:
            return None
        async with self._database.system() as connection:
            return await purchasing.buyer(connection, request)

    async def _new(
        self, payer: Payer, request: OrderRequest, plan_read: Awaitable[Plan]
    ) -> Claimed | None:
        """Return the new order, or one that `prevent_duplicates` found; None if the key is taken."""
        session = payer.session
        choice = self._openings.check(payer, request.payment)
        plan = await plan_read
        try:
            discount = await self._discounts.find(request, plan)
        except Failure:
            # The first of two clicks may have used up the coupon.
            earlier = await repeats.duplicate(self._database, request)
            if earlier is None:
                raise
            return earlier
        known = self._prices.known(request, plan, discount.amount)
        calls = request.esim_id is not None or self._prices.calls_provider(request, known)
        if calls and not request.prevent_duplicates:
            # The limits are checked before the provider is called, so that a customer above a limit causes no
            # call. They are checked after everything else, as their refusals reveal something about the cost.
            # Checking an eSIM takes a call, so the cost of a request with an eSIM is compared with the limits
            # only in the transaction of the claim.
            cost = known.cost if request.esim_id is None else NOTHING
            async with self._database.system() as connection:
                await self._check(connection, request, payer, cost)
        target = await self._target(session, request, plan)
        quote = await self._prices.quote(request, plan, target, discount.amount)
        if choice is not None:
            quote = quotes.payable(quote)
            refusals.check_limits(request, quote)
        if request.most is not None and quote.total > request.most:
            raise refusals.price_changed(quote, limited=True)
        sale = Sale(plan, quote, target, discount, choice)
        # Not cancelled if the client hangs up: an order that is committed, but whose purchase is not started,
        # would wait until its lease ends.
        committing = asyncio.create_task(self._commit(payer, request, sale))
        self._committing.add(committing)
        committing.add_done_callback(self._committing.discard)
        try:
            return await asyncio.shield(committing)
        except asyncio.CancelledError:
            committing.add_done_callback(_log_unforeseen)
            raise

    async def _commit(self, payer: Payer, request: OrderRequest, sale: Sale) -> Claimed | None:
        """Record the order and start its purchase, or return a duplicate; None as `_new` does."""
        locks = self._limits.locks(request.customer_id)
        locks += self._discounts.lock(request, sale.discount)
        if request.prevent_duplicates:
            locks.insert(0, claim_store.duplicates_lock(request))
        async with self._database.system(locks=locks) as connection:
            if request.prevent_duplicates:
                duplicate = await claim_store.find_duplicate(connection, request)
                if duplicate is not None:
                    await repeats.check_method(connection, duplicate, request)
                    return Claimed(duplicate, repeated=True)
            # If this refuses a request whose key was taken meanwhile, `claim` returns that order.
            await self._check(connection, request, payer, sale.quote.cost)
            return await self._record(connection, payer, request, sale)

    async def _check(
        self, connection: Connection, request: OrderRequest, payer: Payer, cost: Decimal
    ) -> None:
        """Raise Failure unless the customer may buy, for an organization if there is one, at that cost."""
        member = await purchasing.buyer(connection, request, lock=True)
        if member is not None:
            await purchasing.check(connection, member, request.group_id)
        await self._limits.check(
            connection,
            request.customer_id,
            cost,
            by_service=payer.session.role is Role.SERVICE,
            organization_id=request.organization_id,
        )

    async def _record(
        self, connection: Connection, payer: Payer, request: OrderRequest, sale: Sale
    ) -> Claimed | None:
        """Record the order with its coupon, payment and budgets; None if the key is taken.

        After the commit, a run with the order's lease buys it, unless it has to be paid first.
        """
        opening = await self._openings.prepare(
            connection,
            payer,
            sale.choice,
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
            actor=str(payer.session.user_id or "service"),
        )
        if claimed is None:
            return None
        await _take_planned(connection, request)
        await self._openings.lock(connection, opening)
        await self._discounts.reserve(connection, claimed, sale.discount)
        payment = await self._openings.record(connection, opening, claimed.id)
        if payer.organization is not None:
            await _take_budgets(connection, payer.organization, request, claimed)
        after_commit(self._metrics.claimed)
        if not claimed.unpaid:
            after_commit(lambda: self._begin(claimed, run))
        return Claimed(claimed, repeated=False, payment=payment)

    async def _target(self, session: Session, request: OrderRequest, plan: Plan) -> Target | None:
        if request.esim_id is None:
            return None
        target = await self._esims.get_target(
            request.esim_id,
            request.customer_id,
            request.organization_id,
            plan.bundle_name,
            session.token,
        )
        if not target.fits and not request.allow_reassign:
            raise Failure(
                Kind.REFUSED,
                FailureReason.ESIM_INCOMPATIBLE,
                "This plan is not compatible with that eSIM: buy it on a new eSIM, or set"
                " `allowReassign`",
            )
        return target


async def _take_planned(connection: Connection, request: OrderRequest) -> None:
    """Let the order carry out the planned order of a batch, unless the batch was cancelled meanwhile."""
    planned = request.reservation
    if planned is not None and not await claim_store.take_planned(connection, planned):
        raise Failure(Kind.REFUSED, "BATCH_CANCELLED", "The batch was cancelled before this order")


async def _take_budgets(
    connection: Connection, member: Membership, request: OrderRequest, order: Order
) -> None:
    """Take the order from the budgets of its organization, whose rows must be locked after all others."""
    if request.reservation is not None:
        await budgets.move(connection, request.reservation, order.id, order.total_price)
    else:
        await budgets.reserve(
            connection, member, order.group_id, order.customer_id, order.total_price, order.id
        )


def _ignore(task: "asyncio.Task[Plan]") -> None:
    """Retrieve the error of a read whose result is not needed, as asyncio would log it."""
    if not task.cancelled():
        task.exception()


def _log_unforeseen(committed: "asyncio.Task[Claimed | None]") -> None:
    """Log an error for which no client waits any more; a refusal is of no interest then."""
    error = None if committed.cancelled() else committed.exception()
    if error is not None and not isinstance(error, Failure):
        logger.error("a claim failed after its client had hung up", exc_info=error)

"""Confirms costs with the provider, which alone decides what an order costs, before it is placed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kit.errors import Failure, Kind
from kit.values import money
from kit.values.clock import Clock
from providers.esim_go.client import Priority
from services.orders import status_reasons
from services.orders.datasource import OrdersDataSource
from services.orders.order import Order, OrderCost, OrderRequest, OrderStatus, Target
from services.orders.plan import Plan
from services.orders.provider.provider_order import MAX_PLACES, ConfirmedPrice, Validation
from services.orders.purchase import quotes, refusals
from services.orders.purchase.quotes import Quote
from services.orders.status_reasons import FailureReason
from services.orders.store import ExpectedCost
from services.orders.work import Pause, Work

# Seconds until the provider is queried again after it did not confirm a price.
PRICE_PAUSE = 5.0
# Seconds until an order of a batch that waits for the shop's balance is tried again. A callback that reports
# a higher balance wakes it earlier.
BALANCE_PAUSE = 30.0
# Kinds of failure without an answer: the provider may still accept the order later.
NOT_ANSWERED = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.DEADLINE})
# The step in the history of an order whose cost was confirmed.
CONFIRMED = "price confirmed"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The cost of a whole order that the provider confirmed, and when it was queried."""

    cost: Decimal
    at: datetime

    def expected(self, quantity: int) -> ExpectedCost:
        """Return what the next step records."""
        return ExpectedCost(self.cost, round(self.cost / quantity, MAX_PLACES), self.at)


class Prices:
    """Decides at which price an order may be placed.

    With a price limit of the buyer, the provider confirms the cost at the claim and right before every
    attempt. The first attempt skips this if the claim's confirmation is at most `holds` old. Without a limit,
    a cost that was confirmed at most `ttl` ago is enough, unless the order had to wait for its payment. If
    the cost is older and the provider doesn't answer, an order without a price list is placed at the
    catalogue's price. One with a list waits, because its price is fixed: at an unknown cost it could be sold
    at a loss.

    Without price lists, the cost is the price: a newly confirmed one may exceed the catalogue's by the
    fraction `tolerance`, or up to the buyer's limit. With a price list, the buyer pays the shown price: the
    order is sold as long as the confirmed cost leaves the list's minimum margin to absorb, and the buyer's
    limit is compared with the price. The same applies without price lists to an order that its customer pays
    here: once it is paid, its price is fixed, and its cost may not exceed it. For an order of a batch, the
    price at its claim is a limit.
    """

    def __init__(
        self,
        datasource: OrdersDataSource,
        clock: Clock,
        *,
        ttl: timedelta,
        tolerance: Decimal,
        holds: timedelta,
    ) -> None:
        self._datasource = datasource
        self.clock = clock
        self.ttl = ttl
        self._tolerance = tolerance
        self._holds = holds

    def known(self, request: OrderRequest, plan: Plan, discount: Decimal) -> Quote:
        """Return the quote as far as it is known without the provider.

        Raises Failure REFUSED (PRICE_CHANGED) if the price of a list is above the buyer's limit, and INVALID
        if the limit is in another currency.
        """
        known = quotes.quote(plan, request.quantity, discount)
        if plan.listing is not None:
            refusals.check_limits(request, known)
        return known

    async def quote(
        self,
        request: OrderRequest,
        plan: Plan,
        target: Target | None,
        discount: Decimal,
        priority: Priority = Priority.WRITE,
    ) -> Quote:
        """Return what the order charges, and the cost that it will expect.

        Raises Failure REFUSED with PRICE_CHANGED or the reason why the provider would refuse the order, and
        UNAVAILABLE (PRICE_NOT_CONFIRMED) if the buyer's limit can't be checked.
        """
        known = self.known(request, plan, discount)
        if not self.calls_provider(request, known):
            return known
        if request.limited:
            return await self._limited(request, plan, target, known)
        return await self._unlimited(request, plan, known, priority)

    def calls_provider(self, request: OrderRequest, known: Quote) -> bool:
        """Return whether `quote` has to confirm the cost that `known` returned."""
        confirmed_at = known.confirmed_at
        return request.limited or confirmed_at is None or self._age(confirmed_at) > self.ttl

    async def _limited(
        self, request: OrderRequest, plan: Plan, target: Target | None, known: Quote
    ) -> Quote:
        queried_at = self.clock.wall()
        try:
            answer = await self._datasource.validate_order(
                plan.bundle_name,
                request.quantity,
                target.iccid if target else None,
                allow_reassign=target is not None and not target.fits,
                priority=Priority.WRITE,
            )
        except Failure as failure:
            if failure.kind in NOT_ANSWERED:
                raise refusals.price_not_confirmed(failure.retry_after) from failure
            reason = refusals.reason_of(failure, for_esim=target is not None)
            raise refusals.not_sold(reason) from failure
        if not answer.valid:
            raise refusals.not_sold(FailureReason.NOT_SOLD_NOW)
        cost = _comparable(answer, plan.cost_currency)
        if cost is None:
            raise refusals.price_not_confirmed()
        quote = quotes.confirmed(known, cost, request.quantity, queried_at)
        if plan.listing is None:
            refusals.check_limits(request, quote)
        elif not quotes.within_cost(quote.max_unit_cost, request.quantity, cost):
            raise refusals.not_sold_at_that_price()
        return quote

    async def _unlimited(
        self, request: OrderRequest, plan: Plan, known: Quote, priority: Priority
    ) -> Quote:
        """Confirm the cost, or use the catalogue's while the provider does not answer."""
        try:
            answer = await self._datasource.get_price(
                plan.bundle_name, self.ttl.total_seconds(), priority
            )
        except Failure as failure:
            if failure.kind in NOT_ANSWERED:
                return known
            raise refusals.not_sold(refusals.reason_of(failure, for_esim=False)) from failure
        each = _comparable(answer, plan.cost_currency)
        if each is None:
            return known
        quote = quotes.confirmed(
            known, each * request.quantity, request.quantity, answer.queried_at
        )
        if plan.listing is None:
            if each > plan.price * (1 + self._tolerance):
                raise refusals.price_changed(quote, limited=False)
        elif not quotes.within_cost(quote.max_unit_cost, request.quantity, quote.cost):
            raise refusals.not_sold_at_that_price()
        return quote

    async def confirm(self, work: Work) -> Pause | Confirmed | None:
        """Confirm the cost of an order with a limit, a price list or a batch right before it is placed.

        Fails the order if the provider would refuse it, or if its cost exceeds what the buyer or the price
        list allows. Returns the confirmed cost if it must be recorded with the attempt; a pause if the
        provider did not confirm a cost, so that the order must not be placed; else None.
        """
        subject = work.order
        if not self._unconfirmed(subject):
            return None
        queried_at = self.clock.wall()
        try:
            answer = await self._datasource.validate_order(
                subject.bundle_name,
                subject.quantity,
                subject.target_iccid,
                allow_reassign=subject.needs_new_esim,
                priority=work.priority,
            )
        except Failure as failure:
            if failure.kind in NOT_ANSWERED:
                await work.explain(status_reasons.MESSAGE_PRICE_UNKNOWN)
                return Pause(max(failure.retry_after or 0.0, PRICE_PAUSE))
            why = refusals.reason_of(failure, for_esim=subject.target_iccid is not None)
            if subject.in_batch and why is FailureReason.INSUFFICIENT_BALANCE:
                await work.explain(status_reasons.MESSAGE_BALANCE)
                return Pause(BALANCE_PAUSE)
            await _refuse(work, why, failure.summary)
            return None
        if not answer.valid:
            await _refuse(work, FailureReason.NOT_SOLD_NOW, "the provider's validation rejects it")
            return None
        cost = _comparable(answer, subject.expected_cost.currency)
        if cost is None:
            await work.explain(status_reasons.MESSAGE_PRICE_UNKNOWN)
            return Pause(PRICE_PAUSE)
        return await self._decide(work, Confirmed(cost, queried_at))

    def _unconfirmed(self, subject: Order) -> bool:
        """Return whether the cost must be confirmed before the order is placed."""
        if not subject.capped and not subject.fixed_price:
            return False
        confirmed_at = subject.price_confirmed_at
        if confirmed_at is None:
            return True
        age = self._age(confirmed_at)
        # There was no step since the claim, hence no attempt.
        new = subject.updated_at == subject.created_at
        recent = timedelta() <= age <= self._holds
        if new and recent:
            return False
        # The cost may rise while the customer pays. Without a price list there is no margin for that, so the
        # cost is confirmed even if the last confirmation is recent.
        recent = recent and subject.price_list is not None
        waited = subject.has_payment and not new and not recent
        return subject.capped or subject.limited or waited or age > self.ttl

    def _age(self, moment: datetime) -> timedelta:
        return self.clock.wall() - moment

    async def _decide(self, work: Work, confirmed: Confirmed) -> Confirmed | None:
        subject, expected, cost = work.order, work.order.expected_cost, confirmed.cost
        if subject.price_list is not None:
            if not quotes.within_cost(expected.max_unit, subject.quantity, cost):
                await _refuse_price(work, status_reasons.MESSAGE_PRICE_ROSE, expected, cost)
                return None
        elif subject.has_payment or subject.in_batch:
            if cost - subject.discount > subject.total_price:
                await _refuse_price(work, status_reasons.MESSAGE_PRICE_ROSE, expected, cost)
                return None
        elif not refusals.within(
            subject.max_price, subject.max_total, subject.quantity, cost, cost - subject.discount
        ):
            await _refuse_price(work, status_reasons.MESSAGE_ABOVE_LIMIT, expected, cost)
            return None
        return confirmed if cost != expected.expected or subject.fixed_price else None


async def _refuse_price(work: Work, message: str, expected: OrderCost, cost: Decimal) -> None:
    """Fail the order, as it costs too much; only operators see the amounts."""
    await work.step(
        "given up: dearer than allowed",
        status=OrderStatus.FAILED,
        reason=message,
        detail=f"the provider confirmed {money.plain(cost)} {expected.currency} instead of"
        f" {money.plain(expected.expected)}",
        failure=FailureReason.PRICE_CHANGED,
    )


async def _refuse(work: Work, why: FailureReason, detail: str) -> None:
    await work.step(
        "refused by the provider",
        status=OrderStatus.FAILED,
        reason=status_reasons.REFUSED_MESSAGES[why],
        detail=detail,
        failure=why,
    )


def _comparable(answer: Validation | ConfirmedPrice, currency: str) -> Decimal | None:
    """Return the provider's price if it is in the currency of the cost, else None."""
    return answer.total if answer.currency in (None, currency) else None

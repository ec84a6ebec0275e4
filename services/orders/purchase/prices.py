"""Confirms prices with the provider, which alone decides what an order costs, before it is placed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from kit.errors import Failure, Kind
from providers.esim_go.client import Priority
from services.orders import order, store
from services.orders.datasource import OrdersDataSource
from services.orders.order import (
    FailureReason,
    Order,
    OrderRequest,
    OrderStatus,
    Plan,
    Quote,
    Target,
)
from services.orders.provider_order import MAX_PLACES, Validation
from services.orders.purchase import refusals
from services.orders.work import Pause, Work

# Seconds until the provider is queried again after it did not confirm a price.
PRICE_PAUSE = 5.0
# Kinds of failure without an answer: the provider may still accept the order later.
NOT_ANSWERED = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.DEADLINE})


class Prices:
    """Decides at which price an order may be placed.

    With a price limit of the buyer, the provider confirms the price at the claim and right before every
    attempt. The first attempt skips this if the claim's confirmation is at most `holds` old. Without a limit,
    a price that was confirmed at most `ttl` ago is enough, and a newly confirmed price may exceed the
    catalogue's by the fraction `tolerance`.
    """

    def __init__(
        self, datasource: OrdersDataSource, *, ttl: timedelta, tolerance: Decimal, holds: timedelta
    ) -> None:
        self._datasource = datasource
        self._ttl = ttl
        self._tolerance = tolerance
        self._holds = holds

    async def quote(self, request: OrderRequest, plan: Plan, target: Target | None) -> Quote:
        """Return the price that the order will expect.

        Raises Failure REFUSED with PRICE_CHANGED or the reason why the provider would refuse the order, and
        UNAVAILABLE (PRICE_NOT_CONFIRMED) if the buyer's limit can't be checked.
        """
        if request.limited:
            return await self._limited(request, plan, target)
        known = Quote(plan.price, plan.price * request.quantity, plan.currency, plan.confirmed_at)
        if known.confirmed_at is not None and _age(known.confirmed_at) <= self._ttl:
            return known
        return await self._unlimited(request, plan, known)

    async def _limited(self, request: OrderRequest, plan: Plan, target: Target | None) -> Quote:
        queried_at = datetime.now(UTC)
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
        total = _comparable(answer, plan.currency)
        if total is None:
            raise refusals.price_not_confirmed()
        quote = _quote(total, request.quantity, plan.currency, queried_at)
        if not refusals.within(request.max_price, request.max_total, request.quantity, total):
            raise refusals.price_changed(quote, limited=True)
        return quote

    async def _unlimited(self, request: OrderRequest, plan: Plan, known: Quote) -> Quote:
        """Confirm the price, or use the catalogue's while the provider does not answer."""
        queried_at = datetime.now(UTC)
        try:
            answer = await self._datasource.get_price(plan.bundle_name, self._ttl.total_seconds())
        except Failure as failure:
            if failure.kind in NOT_ANSWERED:
                return known
            raise refusals.not_sold(refusals.reason_of(failure, for_esim=False)) from failure
        each = _comparable(answer, plan.currency)
        if each is None:
            return known
        quote = Quote(each, each * request.quantity, plan.currency, queried_at)
        if each > plan.price * (1 + self._tolerance):
            raise refusals.price_changed(quote, limited=False)
        return quote

    async def confirm(self, work: Work) -> Pause | None:
        """Confirm a limited order's price right before it is placed.

        Fails the order if it costs more than its buyer allowed or would be refused. Returns a pause if the
        provider did not confirm a price: then the order must not be placed.
        """
        subject = work.order
        if not subject.limited or self._just_confirmed(subject):
            return None
        queried_at = datetime.now(UTC)
        try:
            answer = await self._datasource.validate_order(
                subject.bundle_name,
                subject.quantity,
                subject.target_iccid,
                allow_reassign=subject.needs_new_esim,
                priority=Priority.WRITE,
            )
        except Failure as failure:
            if failure.kind in NOT_ANSWERED:
                await work.explain(order.MESSAGE_PRICE_UNKNOWN)
                return Pause(max(failure.retry_after or 0.0, PRICE_PAUSE))
            why = refusals.reason_of(failure, for_esim=subject.target_iccid is not None)
            await _refuse(work, why, f"{failure.reason} {dict(failure.details)}")
            return None
        if not answer.valid:
            await _refuse(work, FailureReason.NOT_SOLD_NOW, "the provider's validation rejects it")
            return None
        total = _comparable(answer, subject.currency)
        if total is None:
            await work.explain(order.MESSAGE_PRICE_UNKNOWN)
            return Pause(PRICE_PAUSE)
        await self._decide(work, _quote(total, subject.quantity, subject.currency, queried_at))
        return None

    def _just_confirmed(self, subject: Order) -> bool:
        confirmed_at = subject.price_confirmed_at
        return (
            confirmed_at is not None
            # There was no step since the claim, hence no attempt.
            and subject.updated_at == subject.created_at
            and timedelta() <= _age(confirmed_at) <= self._holds
        )

    async def _decide(self, work: Work, quote: Quote) -> None:
        subject = work.order
        if not refusals.within(subject.max_price, subject.max_total, subject.quantity, quote.total):
            await work.step(
                "given up: dearer than allowed",
                status=OrderStatus.FAILED,
                reason=order.MESSAGE_ABOVE_LIMIT,
                failure=FailureReason.PRICE_CHANGED,
            )
        elif quote.total != subject.total_price:
            async with work.database.system() as connection:
                await store.record_price(connection, subject, quote)
                await work.step("price confirmed", connection=connection)


async def _refuse(work: Work, why: FailureReason, detail: str) -> None:
    await work.step(
        "refused by the provider",
        status=OrderStatus.FAILED,
        reason=order.REFUSED_MESSAGES[why],
        detail=detail,
        failure=why,
    )


def _comparable(answer: Validation, currency: str) -> Decimal | None:
    """Return the provider's price if it is in the plan's currency, else None."""
    return answer.total if answer.currency in (None, currency) else None


def _quote(total: Decimal, quantity: int, currency: str, confirmed_at: datetime) -> Quote:
    return Quote(round(total / quantity, MAX_PLACES), total, currency, confirmed_at)


def _age(moment: datetime) -> timedelta:
    return datetime.now(UTC) - moment

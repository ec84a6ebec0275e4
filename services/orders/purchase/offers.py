"""Answers what a purchase would charge now, and whether it would succeed, without buying."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure, Kind
from providers.esim_go.client import Priority
from services.orders.coupons.redeem import Discounts
from services.orders.datasource import OrdersDataSource
from services.orders.order import OrderRequest
from services.orders.organizations import purchasing
from services.orders.organizations.membership import Billing, Membership
from services.orders.peers import Catalogue
from services.orders.plan import Plan
from services.orders.purchase import quotes
from services.orders.purchase.prices import Prices
from services.orders.purchase.quotes import Quote


@dataclass(frozen=True, slots=True)
class Offer:
    """A quote of a plan, and until when it is valid unless prices change before."""

    plan: Plan
    quote: Quote
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Validation:
    """Result of a validation: `valid` if the order could be bought, and the `total` that it would charge."""

    valid: bool
    total: Decimal
    currency: str


class Offers:
    """Computes quotes as a purchase with the same arguments does; `paid_here` if customers pay for them."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        datasource: OrdersDataSource,
        prices: Prices,
        discounts: Discounts,
        *,
        paid_here: bool,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._datasource = datasource
        self._prices = prices
        self._discounts = discounts
        self._paid_here = paid_here

    async def offer(self, request: OrderRequest) -> Offer:
        """Return what the request, which must have no eSIM and no price limit, would charge now.

        The offer is valid as long as a confirmed cost is, but not longer than the coupon. Raises Failure as
        Claims.claim does for the plan, the quantity, the currency, the coupon and the organization.
        """
        member = await self._member(request)
        request = purchasing.in_currency(request, member)
        with purchasing.priced(member):
            plan = await self._catalogue.get_plan(
                request.plan_id, request.quantity, request.currency
            )
        discount = await self._discounts.find(request, plan)
        quote = await self._prices.quote(request, plan, None, discount.amount, Priority.READ)
        if self._is_paid_here(request, member):
            quote = quotes.payable(quote)
        valid_until = self._prices.clock.wall() + self._prices.ttl
        return Offer(plan, quote, min(valid_until, discount.ends_at or valid_until))

    async def _member(self, request: OrderRequest) -> Membership | None:
        """Return for which organization the caller would buy; None for themself."""
        if request.organization_id is None:
            return None
        async with self._database.system() as connection:
            member = await purchasing.buyer(connection, request)
            if member is not None:
                await purchasing.check(connection, member, request.group_id)
        return member

    def _is_paid_here(self, request: OrderRequest, member: Membership | None) -> bool:
        """Return whether the order would have a payment; a wallet and an account need no payment provider."""
        if member is not None and member.billing is not Billing.CARD:
            return True
        return self._paid_here and bool(request.customer_id.int)

    async def validate(self, plan_id: UUID, quantity: int, currency: str) -> Validation:
        """Return whether the provider accepts an order, and at a cost at which the shop sells it.

        Without price lists the total is the provider's, or the catalogue's price if the provider refuses the
        order. Raises Failure as the catalogue does for the plan, and when the provider is unavailable.
        """
        plan = await self._catalogue.get_plan(plan_id, quantity, currency)
        quote = quotes.quote(plan, quantity)
        try:
            answer = await self._datasource.validate_order(
                plan.bundle_name, quantity, priority=Priority.READ
            )
        except Failure as failure:
            if failure.kind is not Kind.REFUSED:
                raise
            return Validation(False, quote.total, plan.currency)
        if plan.listing is not None:
            cost = answer.total if answer.currency in (None, plan.cost_currency) else None
            sold = cost is None or quotes.within_cost(quote.max_unit_cost, quantity, cost)
            return Validation(answer.valid and sold, quote.total, plan.currency)
        if answer.total is None:
            return Validation(answer.valid, quote.total, plan.currency)
        return Validation(answer.valid, answer.total, answer.currency or plan.currency)

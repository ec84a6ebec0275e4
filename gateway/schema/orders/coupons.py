"""Coupons: what one subtracts from an order, and how the finance staff manages them."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.errors import naming
from gateway.execution.auth import finance_field, public_field
from gateway.execution.columns import (
    Column,
    computed,
    exact_amount,
    optional_time,
    strings,
    text,
    timestamp,
)
from gateway.execution.views import View, read, views
from gateway.schema import results
from gateway.schema.connections import OF_FIELD, page_of, page_size
from gateway.schema.orders.coupon_input import CouponInput
from gateway.schema.plans.queries import PlanIdArgument
from gateway.schema.prices.price_lists import NEXT
from gateway.upstream.context import Info
from kit.values import money
from protos.orders.v1 import coupons_pb2

# Coupons of a page.
DEFAULT_SIZE = 50
MAX_SIZE = 500


def _limit(name: str) -> Column:
    return computed(lambda row: getattr(row, name) or None)


@strawberry.type(description="A code that reduces the price of an order.")
class Coupon(View):
    id: strawberry.ID = read("id", description="A UUID.")
    code: str = read("code", description="The code that customers enter; they may use lower case.")
    percent: str | None = read(
        text("percent"),
        description='Percentage that is subtracted from an order, such as "15"; null if an amount is.',
    )
    amount: str | None = read(
        exact_amount("amount", optional=True),
        description='Amount that is subtracted from an order, such as "5.00"; null if a percentage is.',
    )
    currency: str | None = read(
        text("currency"),
        description="ISO 4217 code of all amounts of the coupon, which applies to orders in this currency"
        " only. Null: it applies to orders in any currency.",
    )
    starts_at: datetime | None = read(
        optional_time("starts_at"), description="When it can first be used; null if at any time."
    )
    ends_at: datetime | None = read(
        optional_time("ends_at"), description="When it stops being valid; null if never."
    )
    plans: list[str] = read(
        strings("plans"),
        description="Ids or bundle names of the plans that it applies to; empty: all plans.",
    )
    groups: list[str] = read(
        strings("groups"), description="Bundle groups that it applies to; empty: all groups."
    )
    countries: list[str] = read(
        strings("countries"),
        description="ISO codes of countries: it applies to plans that cover nothing but these; empty: all"
        " plans.",
    )
    minimum: str | None = read(
        exact_amount("minimum", optional=True),
        description="Minimum value of an order before the discount; null if none.",
    )
    max_uses: int | None = read(
        _limit("max_uses"), description="Number of orders that can use it; null if unlimited."
    )
    max_uses_per_customer: int | None = read(
        _limit("max_uses_per_customer"),
        description="Number of orders of one customer that can use it; null if unlimited. An organization is"
        " one customer, whichever of its members buys.",
    )
    budget: str | None = read(
        exact_amount("budget", optional=True),
        description="Maximum sum of all discounts; null if unlimited.",
    )
    first_purchase_only: bool = read(
        "first_purchase_only",
        description="True if only customers without an earlier order can use it; failed orders don't count.",
    )
    max_loss: str | None = read(
        exact_amount("max_loss", optional=True),
        description="Maximum loss on one order that the discount may lead to. Null: the price stays at or"
        " above the least price of the plan.",
    )
    disabled: bool = read("disabled", description="True if it was ended by `disableCoupon`.")
    used: int = read("used", description="Number of completed orders that used it.")
    reserved: int = read("reserved", description="Number of unfinished orders that use it.")
    spent: str | None = read(
        exact_amount("spent", optional=True),
        description="Sum of the discounts of completed orders; null if it has no currency.",
    )
    created_at: datetime = read(timestamp("created_at"), description="When it was created.")
    created_by: str = read(
        "created_by", description='Id of the account that created it; "service" for a program.'
    )
    proto: strawberry.Private[coupons_pb2.Coupon]


@strawberry.type(description="A page of coupons.")
class CouponPage:
    nodes: list[Coupon] = strawberry.field(description="The coupons of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type(description="What a coupon subtracts from an order.")
class CouponCheck:
    valid: bool = strawberry.field(description="True if the coupon applies to this order.")
    discount: float | None = strawberry.field(
        description="What it subtracts from the price of the order; null unless valid."
    )
    discount_exact: str | None = strawberry.field(
        description='The exact discount as a decimal string, such as "1.50"; null unless valid.'
    )
    currency: str | None = strawberry.field(
        description="ISO 4217 code of the discount; null unless valid."
    )
    code: str | None = strawberry.field(
        description="COUPON_NOT_VALID if the code is unknown, disabled, expired or used up;"
        " COUPON_NOT_APPLICABLE if it doesn't apply to this order; null if valid."
    )
    error: str | None = strawberry.field(description="Human-readable reason; null if valid.")


@strawberry.type(description="Result of `createCoupon` and `disableCoupon`.")
class CouponResult:
    success: bool = strawberry.field(description="True if the coupon was created or is disabled.")
    coupon: Coupon | None = strawberry.field(
        default=None, description="The coupon; null if the request was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("COUPON_EXISTS")


FirstArgument = Annotated[
    int,
    strawberry.argument(description=f"Maximum number of coupons to return, 1 to {MAX_SIZE}."),
]
AfterArgument = Annotated[
    str | None,
    strawberry.argument(
        description="Return the coupons after this cursor, which is the `nextCursor` of the"
        " page before."
    ),
]
CodeArgument = Annotated[str, strawberry.argument(description="The code; case-insensitive.")]
QuantityArgument = Annotated[
    int, strawberry.argument(description="Number of eSIMs in the order, 1 to 10.")
]
CurrencyArgument = Annotated[
    str | None,
    strawberry.argument(
        description="ISO 4217 code of a price list. Omit for the currency of the first list."
    ),
]
InputArgument = Annotated[CouponInput, strawberry.argument(description="The new coupon.")]
CouponIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The coupon's id.")]


@strawberry.type
class CouponQueries:
    """Mixed into Query."""

    @public_field(
        description="What a coupon would subtract from an order. Its limits per customer are checked only at"
        " the purchase. Rate-limited for each network address, so that codes can't be guessed."
    )
    async def check_coupon(
        self,
        info: Info,
        code: CodeArgument,
        plan_id: PlanIdArgument,
        quantity: QuantityArgument = 1,
        currency: CurrencyArgument = None,
    ) -> CouponCheck:
        await info.context.caller.guesses.check()
        request = coupons_pb2.CheckCouponRequest(
            code=code, plan_id=plan_id, quantity=quantity, currency=currency or ""
        )
        answer = await info.context.call(info.context.peers.coupons.CheckCoupon, request)
        found = answer.discount if answer.valid else None
        return CouponCheck(
            valid=answer.valid,
            discount=None if found is None else money.nearest_float(found),
            discount_exact=None if found is None else money.text(found),
            currency=None if found is None else found.currency_code,
            code=answer.code or None,
            error=answer.message or None,
        )

    @finance_field(description="All coupons, newest first, page by page.")
    async def coupons(
        self, info: Info, first: FirstArgument = DEFAULT_SIZE, after: AfterArgument = None
    ) -> CouponPage | None:
        request = coupons_pb2.ListCouponsRequest(
            page_size=page_size(first, MAX_SIZE), page_token=after or ""
        )
        page = await page_of(
            info.context.call(info.context.peers.coupons.ListCoupons, request), OF_FIELD
        )
        info.context.spend(len(page.coupons))
        return CouponPage(
            nodes=views(Coupon, page.coupons), next_cursor=page.next_page_token or None
        )


@strawberry.type
class CouponMutations:
    """Mixed into Mutation."""

    @finance_field(
        description="Creates a coupon. Refused with COUPON_EXISTS if its code is taken, even by a disabled"
        " coupon."
    )
    @results.refusable(CouponResult)
    async def create_coupon(
        self,
        info: Info,
        input: InputArgument,
    ) -> CouponResult | None:
        request = coupons_pb2.CreateCouponRequest(coupon=input.to_proto())
        with naming(coupon="input"):
            answer = await info.context.change(info.context.peers.coupons.CreateCoupon, request)
        return CouponResult(success=True, coupon=Coupon.of(answer.coupon))

    @finance_field(
        description="Ends a coupon immediately; orders that have it keep their discount. Safe to repeat."
    )
    @results.refusable(CouponResult)
    async def disable_coupon(self, info: Info, id: CouponIdArgument) -> CouponResult | None:
        request = coupons_pb2.DisableCouponRequest(coupon_id=id)
        with naming(coupon_id="id"):
            answer = await info.context.change(info.context.peers.coupons.DisableCoupon, request)
        return CouponResult(success=True, coupon=Coupon.of(answer.coupon))

"""The query for what a purchase would charge."""

from datetime import datetime
from typing import Annotated

import strawberry

from gateway.execution.auth import auth_field
from gateway.execution.columns import exact_amount, float_amount, text, timestamp
from gateway.execution.views import View, read
from gateway.schema import inputs
from gateway.schema.plans.queries import CurrencyArgument, PlanIdArgument
from gateway.upstream.context import Info
from protos.orders.v1 import orders_pb2


@strawberry.type(description="What a purchase with the same arguments would charge now.")
class Quote(View):
    unit_price: float = read(
        float_amount("unit_price"), description="Price of one item, as the plan shows it."
    )
    unit_price_exact: str = read(
        exact_amount("unit_price"),
        description='The exact price of one item as a decimal string, such as "4.56".',
    )
    subtotal: float = read(float_amount("subtotal"), description="Unit price times quantity.")
    subtotal_exact: str = read(
        exact_amount("subtotal"), description="The exact subtotal as a decimal string."
    )
    discount: float | None = read(
        float_amount("discount", optional=True),
        description="Amount that the coupon subtracts from the subtotal; null without a coupon.",
    )
    discount_exact: str | None = read(
        exact_amount("discount", optional=True),
        description="The exact discount as a decimal string; null without a coupon.",
    )
    tax_amount: float = read(float_amount("tax_amount"), description="Tax in the total.")
    tax_amount_exact: str = read(
        exact_amount("tax_amount"), description="The exact tax as a decimal string."
    )
    tax_rate: str | None = read(
        text("tax_rate"),
        description='Tax rate in percent as a decimal string, such as "19"; null if there is no tax.',
    )
    price_includes_tax: bool = read(
        "price_includes_tax",
        description="True if the unit price includes tax; false if tax is added to it, or there is none.",
    )
    total: float = read(
        float_amount("total"),
        description="What the customer pays, with tax and after the discount.",
    )
    total_exact: str = read(
        exact_amount("total"), description="The exact total as a decimal string."
    )
    currency: str = read(
        "total.currency_code",
        description='ISO 4217 code of the currency of all amounts, such as "USD".',
    )
    valid_until: datetime = read(
        timestamp("valid_until"),
        description="Until when the quote is expected to be valid. Prices may change before; send `maxTotal`"
        " with the purchase to be sure.",
    )
    proto: strawberry.Private[orders_pb2.QuoteOrderResponse]


QuantityArgument = Annotated[
    int, strawberry.argument(description="Number of eSIMs to buy, 1 to 10.")
]
CouponArgument = Annotated[
    str | None,
    strawberry.argument(
        description="Code of a coupon; case-insensitive. The query fails with COUPON_NOT_VALID if it is"
        " unknown, expired or used up, and with COUPON_NOT_APPLICABLE if it doesn't apply to this purchase."
    ),
]

BuyerArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Organization to buy for, in its currency; the caller must be an owner, manager or buyer"
        " of it. Omit to buy for oneself."
    ),
]


@strawberry.type
class QuoteQueries:
    """Mixed into Query."""

    @auth_field(
        description="What `purchaseESIM` with the same arguments would charge now. Fails with the"
        " code by which the purchase would be refused, such as PLAN_UNAVAILABLE. Buys nothing. Payments and"
        " budgets are not checked."
    )
    async def quote(
        self,
        info: Info,
        plan_id: PlanIdArgument,
        quantity: QuantityArgument = 1,
        currency: CurrencyArgument = None,
        coupon_code: CouponArgument = None,
        organization_id: BuyerArgument = None,
    ) -> Quote | None:
        request = orders_pb2.QuoteOrderRequest(
            plan_id=plan_id,
            quantity=quantity,
            currency=currency or "",
            coupon_code=coupon_code or "",
            organization_id=inputs.optional_id(
                "organizationId", organization_id, "to buy for yourself"
            ),
        )
        async with info.context.caller.guesses.ordering(coupon_code):
            answer = await info.context.call(info.context.peers.orders.QuoteOrder, request)
        return Quote.of(answer)

"""The input of a new coupon."""

from datetime import datetime

import strawberry

from gateway.schema import inputs
from kit.errors import invalid
from protos.common.v1 import money_pb2
from protos.orders.v1 import coupons_pb2


@strawberry.input(
    description="A new coupon. Set either `percent` or `amount`. Decimal numbers are strings, such as"
    ' "12.5".'
)
class CouponInput:
    code: str = strawberry.field(
        description="3 to 40 letters, digits and hyphens; stored in upper case."
    )
    percent: str | None = strawberry.field(
        default=None, description="Percentage to subtract, above 0 and at most 100."
    )
    amount: str | None = strawberry.field(
        default=None, description="Amount to subtract, in `currency`."
    )
    currency: str | None = strawberry.field(
        default=None,
        description="ISO 4217 code of all amounts of the coupon; required if there is one. The coupon"
        " applies to orders in this currency only. Omit for orders in any currency.",
    )
    starts_at: datetime | None = strawberry.field(
        default=None, description="When it can first be used. Omit for no bound."
    )
    ends_at: datetime | None = strawberry.field(
        default=None, description="When it stops being valid. Omit for no bound."
    )
    plans: list[str] = strawberry.field(
        default_factory=list,
        description="Ids or bundle names of the plans that it applies to. Empty: all plans.",
    )
    groups: list[str] = strawberry.field(
        default_factory=list, description="Bundle groups that it applies to. Empty: all groups."
    )
    countries: list[str] = strawberry.field(
        default_factory=list,
        description="ISO codes or English names: it applies to plans that cover nothing but these countries."
        " Empty: all plans.",
    )
    minimum: str | None = strawberry.field(
        default=None, description="Minimum value of an order before the discount."
    )
    max_uses: int | None = strawberry.field(
        default=None, description="Number of orders that can use it. Omit for no limit."
    )
    max_uses_per_customer: int | None = strawberry.field(
        default=None,
        description="Number of orders of one customer that can use it. An organization is one customer.",
    )
    budget: str | None = strawberry.field(
        default=None, description="Maximum sum of all discounts. Omit for no limit."
    )
    first_purchase_only: bool = strawberry.field(
        default=False,
        description="True: only for customers without an earlier order; failed orders don't count.",
    )
    max_loss: str | None = strawberry.field(
        default=None,
        description="Maximum loss on one order that the discount may lead to. Omit to keep the least price"
        " of each plan. Required without price lists, because the least price is then the cost.",
    )

    def to_proto(self) -> coupons_pb2.Coupon:
        """Return the service's message; raise Failure INVALID."""
        if self.percent is not None and self.amount is not None:
            raise invalid({"input.amount": "must not be set beside `percent`; choose one"})
        coupon = coupons_pb2.Coupon(
            code=self.code,
            currency=inputs.optional_id(
                "input.currency", self.currency, "for orders in any currency"
            ),
            amount=self._money("amount", self.amount),
            starts_at=inputs.moment("input.startsAt", self.starts_at),
            ends_at=inputs.moment("input.endsAt", self.ends_at),
            plans=self.plans,
            groups=self.groups,
            countries=self.countries,
            minimum=self._money("minimum", self.minimum),
            max_uses=_at_least_one("input.maxUses", self.max_uses),
            max_uses_per_customer=_at_least_one(
                "input.maxUsesPerCustomer", self.max_uses_per_customer
            ),
            budget=self._money("budget", self.budget),
            first_purchase_only=self.first_purchase_only,
            max_loss=self._money("maxLoss", self.max_loss),
        )
        if self.percent is not None:
            coupon.percent = self.percent
        return coupon

    def _money(self, name: str, given: str | None) -> money_pb2.Money | None:
        if given is None:
            return None
        if not self.currency:
            raise invalid({"input.currency": f"is required, because `{name}` is set"})
        return inputs.amount(f"input.{name}", given, self.currency)


def _at_least_one(field: str, given: int | None) -> int:
    if given is not None and given < 1:
        raise invalid({field: f"must be 1 or more, not {given}; omit it for no limit"})
    return given or 0

"""Schema types of orders, and the queries for a customer's own orders."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field
from gateway.execution.columns import computed, exact_amount, float_amount, output, text, timestamp
from gateway.execution.views import View, loaded, read, views
from gateway.schema import inputs
from gateway.schema.orders.cancellation import OrderCancellation
from gateway.schema.orders.sales import OrderCost, SoldPlan
from gateway.schema.orders.statuses import STATUS, OrderStatus, TimelineEntry
from gateway.schema.payments.types import Payment, Refundable
from gateway.schema.plans.types import DataPlan
from gateway.upstream.context import Context, Info
from kit.errors import invalid
from protos.orders.v1 import orders_pb2

if TYPE_CHECKING:
    from gateway.schema.esims.types import ESIM

# Lazy, because the two types refer to each other.
LazyESIM = Annotated["ESIM", strawberry.lazy("gateway.schema.esims.types")]

# The service's maximum page size. This list has no paging; clients narrow it with the filter.
MAX_ORDERS = 500
# The customer id of an order whose customer was erased.
ERASED = frozenset({"", "00000000-0000-0000-0000-000000000000"})


def _payment_of(order: orders_pb2.Order) -> str:
    """Return the key of `Loaders.payments` and `Loaders.refundables`."""
    return order.id if order.has_payment else ""


def _esims_of(order: orders_pb2.Order) -> tuple[str, str]:
    """Return the key of `Loaders.esims_of_order`."""
    return order.id, "" if order.reassigned else order.esim_id


@strawberry.federation.type(keys=["id"], description="A purchase of one plan.")
class Order(View):
    id: strawberry.ID = read("id", description="A UUID.")
    reference: str | None = read(
        text("reference"),
        description="The provider's order reference; null until the provider has answered.",
    )
    status: OrderStatus = read(STATUS, description="Order status.")
    status_reason: str | None = read(
        text("status_reason"),
        description="Human-readable explanation of the status; null if there is none.",
    )
    quantity: int = read("quantity", description="Number of eSIMs bought.")
    unit_price: float = read(
        float_amount("unit_price"), description="Price of one item at the time of purchase."
    )
    unit_price_exact: str = read(
        exact_amount("unit_price"),
        description='The exact price of one item as a decimal string, such as "2.28".',
    )
    discount: float | None = read(
        float_amount("discount", optional=True),
        description="Amount that a coupon subtracted from unit price times quantity; null without a coupon.",
    )
    discount_exact: str | None = read(
        exact_amount("discount", optional=True),
        description="The exact discount as a decimal string; null without a coupon.",
    )
    coupon_code: str | None = read(
        text("coupon_code"), description="Code of the coupon; null without one."
    )
    tax_amount: float = read(float_amount("tax_amount"), description="Tax in the total price.")
    tax_amount_exact: str = read(
        exact_amount("tax_amount"), description='The exact tax as a decimal string, such as "0.73".'
    )
    tax_rate: str | None = read(
        text("tax_rate"),
        description='Tax rate in percent as a decimal string, such as "19"; null if there is no tax.',
    )
    price_includes_tax: bool = read(
        "price_includes_tax",
        description="True if the unit price includes tax; false if tax was added to it, or there is none.",
    )
    total_price: float = read(
        float_amount("total_price"),
        description="What the customer pays, with tax and after the discount. In a shop without price lists:"
        " the amount that the provider charged or, until it has answered, unit price times quantity."
        " Use `totalPriceExact` for calculations, because a Float is not exact.",
    )
    total_price_exact: str = read(
        exact_amount("total_price"),
        description='The exact total as a decimal string, such as "4.56".',
    )
    currency: str = read(
        "total_price.currency_code", description='ISO 4217 currency code, such as "USD".'
    )
    customer_reference: str = read(
        "customer_reference", description="Free-text reference set by the customer; often empty."
    )
    auto_activate: bool = read(
        "auto_activate",
        description="True if the service polls the bundles of this order until they are active.",
    )
    customer_id: strawberry.ID | None = read(
        output(lambda order: None if order.customer_id in ERASED else order.customer_id),
        description="Id of the account that placed the order; null after that customer's data was erased.",
    )
    needs_review: bool = read(
        "needs_review",
        description="True if an operator has to settle the order. Visible to staff only; always"
        " false for customers.",
    )
    created_at: datetime = read(timestamp("created_at"), description="When the order was created.")
    updated_at: datetime = read(timestamp("updated_at"), description="When the order last changed.")
    reassigned: bool = read(
        "reassigned",
        description="True if the plan was delivered on a new eSIM because it was incompatible with the"
        " requested one.",
    )
    sold_plan: SoldPlan | None = read(
        computed(
            lambda order: SoldPlan.of(order.sold_plan) if order.HasField("sold_plan") else None
        ),
        description="The plan as it was sold; null for an order of a release that did not record it.",
    )
    cost: OrderCost | None = read(
        computed(lambda order: OrderCost.of(order.cost) if order.HasField("cost") else None),
        description="What the order costs the shop. Visible to the finance staff and administrators only;"
        " always null for others.",
    )
    data_plan: DataPlan | None = loaded(
        "plans",
        "plan_id",
        DataPlan | None,
        description="The plan that was bought, as it is now; null if temporarily unavailable.",
    )
    esims: list[LazyESIM] | None = loaded(
        "esims_of_order",
        _esims_of,
        list[LazyESIM] | None,
        description="eSIMs of this order. Empty until they are delivered, except for the existing"
        " eSIM that the order was placed for. Null if temporarily unavailable. Support and finance staff see"
        " only those of orders that they placed.",
    )
    timeline: list[TimelineEntry] | None = loaded(
        "timelines",
        "id",
        list[TimelineEntry] | None,
        description="History of the order, oldest step first; null if temporarily unavailable.",
    )
    cancellation: OrderCancellation | None = loaded(
        "cancellations",
        "id",
        OrderCancellation | None,
        description="Preview of what `cancelOrder` would cancel and refund. Selecting this field"
        " calls the provider but changes nothing. It is expensive: select it for at"
        " most about 20 orders at once. Null for another customer's order unless the caller is an"
        " administrator.",
    )
    payment: Payment | None = loaded(
        "payments",
        _payment_of,
        Payment | None,
        description="How the customer pays for the order; null if the shop charges customers elsewhere, or if"
        " temporarily unavailable.",
    )
    refundable: Refundable | None = loaded(
        "refundables",
        _payment_of,
        Refundable | None,
        description="What the customer gets back by cancelling the order now; null for an order without a"
        " payment, or if temporarily unavailable.",
    )
    organization_id: strawberry.ID | None = read(
        text("organization_id"),
        description="The organization that the order was bought for; null if the customer bought for"
        " themself.",
    )
    group_id: strawberry.ID | None = read(
        text("group_id"),
        description="The organization's group that it was bought for; null if none.",
    )
    proto: strawberry.Private[orders_pb2.Order]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:
        info.context.require_session()
        order = await info.context.loaders.orders.load(id)
        return None if order is None else cls.of(order)


@strawberry.input(description="Filter for orders. An order must match every condition that is set.")
class OrderFilter:
    status: OrderStatus | None = strawberry.field(
        default=None, description="Only orders with this status."
    )
    from_date: datetime | None = strawberry.field(
        default=None,
        description="Only orders created at or after this time. A time without a zone is UTC; a date"
        " means its start (00:00 UTC).",
    )
    to_date: datetime | None = strawberry.field(
        default=None,
        description="Only orders created before this time. A time without a zone is UTC; a date means its"
        " start (00:00 UTC).",
    )


FilterArgument = Annotated[
    OrderFilter | None,
    strawberry.argument(description="Filter for the orders to return. Omit to return all."),
]
FirstArgument = Annotated[
    int,
    strawberry.argument(
        description=f"Maximum number of orders to return, newest first, 1 to {MAX_ORDERS}."
    ),
]
OrderIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The order's id.")]


@strawberry.type
class OrderQueries:
    """Mixed into Query."""

    @auth_field(
        description=f"The caller's own orders, newest first; at most {MAX_ORDERS}. Use `filter.toDate`"
        " to reach older ones. Orders for an organization are in `organizationOrders`."
    )
    async def my_orders(
        self,
        info: Info,
        filter: FilterArgument = None,
        first: FirstArgument = MAX_ORDERS,
    ) -> list[Order]:
        if not 1 <= first <= MAX_ORDERS:
            raise invalid({"first": f"must be an integer from 1 to {MAX_ORDERS}, not {first}"})
        request = orders_pb2.ListOrdersRequest(filter=own(info.context, filter), page_size=first)
        answer = await info.context.call(info.context.peers.orders.ListOrders, request)
        info.context.spend(len(answer.orders))
        return views(Order, answer.orders)

    @auth_field(
        description="One order. Fails with NOT_FOUND if the id is unknown or belongs to another customer."
    )
    async def order_details(self, info: Info, id: OrderIdArgument) -> Order | None:
        request = orders_pb2.GetOrderRequest(order_id=id)
        with naming(order_id="id"):
            answer = await info.context.call(info.context.peers.orders.GetOrder, request)
        return Order.of(answer.order)


def own(context: Context, given: OrderFilter | None) -> orders_pb2.OrderFilter:
    """Return the service's filter for the caller's own matching orders; raise Failure INVALID."""
    return matching(given or OrderFilter(), customer_id=context.own_id())


def matching(
    given: OrderFilter,
    *,
    customer_id: str | None = None,
    organization_id: str | None = None,
    group_id: str | None = None,
) -> orders_pb2.OrderFilter:
    """Return the service's filter; raise Failure INVALID for an invalid time."""
    return orders_pb2.OrderFilter(
        statuses=[orders_pb2.OrderStatus.Value(f"ORDER_STATUS_{given.status.name}")]
        if given.status
        else [],
        from_date=inputs.moment("filter.from_date", given.from_date),
        to_date=inputs.moment("filter.to_date", given.to_date),
        customer_id=customer_id,
        organization_id=organization_id,
        group_id=group_id,
    )

"""Orders in the schema, and the queries for a customer's own."""

from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self

import strawberry
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.auth import auth_field
from gateway.cancellation import OrderCancellation
from gateway.context import Context, Info
from gateway.errors import naming
from gateway.plans import DataPlan
from gateway.readings import exactly, filled, member, recorded
from gateway.views import View, loaded, read, views
from kit import money, timestamps
from kit.errors import invalid
from protos.orders.v1 import orders_pb2

if TYPE_CHECKING:
    from gateway.esims import ESIM

# The two types name each other.
LazyESIM = Annotated["ESIM", strawberry.lazy("gateway.esims")]

# The most that the service gives at once. The documented list has no paging: whoever has more orders
# narrows them with the filter.
MOST = 500
# Whose an order is once its customer was erased.
NOBODY = frozenset({"", "00000000-0000-0000-0000-000000000000"})


@strawberry.enum(description="How far an order is.")
class OrderStatus(Enum):
    PROCESSING = strawberry.enum_value(
        "PROCESSING", description="Recorded; the provider's answer or the eSIMs are awaited."
    )
    COMPLETED = strawberry.enum_value("COMPLETED", description="Paid, and its eSIMs are there.")
    FAILED = strawberry.enum_value("FAILED", description="Refused; nothing was paid.")
    CANCELLED = strawberry.enum_value(
        "CANCELLED", description="Cancelled after payment, without money back."
    )
    REFUNDED = strawberry.enum_value(
        "REFUNDED", description="Cancelled, and the provider gave the money back."
    )


STATUS = member("status", OrderStatus, orders_pb2.OrderStatus, "ORDER_STATUS_")


@strawberry.type(description="A step of an order, as far as it concerns its customer.")
class TimelineEntry(View):
    at: datetime = read(recorded("at"), description="When it happened.")
    status: OrderStatus = read(STATUS, description="The order's status from then on.")
    message: str = read("message", description="What happened, in words.")
    proto: strawberry.Private[orders_pb2.TimelineEntry]


def _esims_of(order: orders_pb2.Order) -> tuple[str, str]:
    """What `Loaders.esims_of_order` takes: the order, and the eSIM that it was bought for."""
    return order.id, "" if order.reassigned else order.esim_id


@strawberry.federation.type(keys=["id"], description="A purchase of one plan.")
class Order(View):
    id: strawberry.ID = read("id", description="A UUID.")
    reference: str | None = read(
        filled("reference"),
        description="The provider's order reference; null until the provider answered.",
    )
    status: OrderStatus = read(STATUS, description="How far it is.")
    status_reason: str | None = read(
        filled("status_reason"),
        description="Why it is so, in words; null when there is nothing to say.",
    )
    quantity: int = read("quantity", description="How many eSIMs were bought.")
    unit_price: float = read(
        exactly(lambda order: money.nearest_float(order.unit_price)),
        description="The plan's price when it was bought, for one.",
    )
    total_price: float = read(
        exactly(lambda order: money.nearest_float(order.total_price)),
        description="What was charged; until the provider answered, unit price times quantity."
        " Calculate with `totalPriceExact`, as a Float is not exact.",
    )
    total_price_exact: str = read(
        exactly(lambda order: money.text(order.total_price)),
        description='The exact total as a decimal, such as "4.56".',
    )
    currency: str = read("total_price.currency_code", description='ISO 4217, such as "USD".')
    customer_reference: str = read(
        "customer_reference", description="The customer's own words for it; often empty."
    )
    auto_activate: bool = read(
        "auto_activate", description="Whether its bundles are followed until they are in force."
    )
    customer_id: strawberry.ID | None = read(
        exactly(lambda order: None if order.customer_id in NOBODY else order.customer_id),
        description="Id of the account that bought it; null once that customer's data was erased.",
    )
    needs_review: bool = read(
        "needs_review",
        description="True if an operator has to settle it; shown to administrators only, false to"
        " customers.",
    )
    created_at: datetime = read(recorded("created_at"), description="When it was recorded.")
    updated_at: datetime = read(recorded("updated_at"), description="When it last changed.")
    reassigned: bool = read(
        "reassigned",
        description="Whether the plan came on a new eSIM, as it didn't fit the one that was named.",
    )
    data_plan: DataPlan | None = loaded(
        "plans",
        "plan_id",
        DataPlan | None,
        description="The plan that was bought; null when it can't be read now.",
    )
    esims: list[LazyESIM] | None = loaded(
        "esims_of_order",
        _esims_of,
        list[LazyESIM] | None,
        description="Its eSIMs: none until they are delivered, and the caller's own eSIM that it was"
        " bought for; null when they can't be read now.",
    )
    timeline: list[TimelineEntry] | None = loaded(
        "timelines",
        "id",
        list[TimelineEntry] | None,
        description="How it came to where it is, oldest first; null when that can't be read now.",
    )
    cancellation: OrderCancellation | None = loaded(
        "cancellations",
        "id",
        OrderCancellation | None,
        description="What `cancelOrder` would cancel and what would be refunded, asked of the"
        " provider when this field is selected; nothing is changed. It is costly: select it for the"
        " orders of a page, at most some 20 at once.",
    )
    proto: strawberry.Private[orders_pb2.Order]

    @classmethod
    async def resolve_reference(cls, info: Info, id: strawberry.ID) -> Self | None:  # noqa: A002 - the key's name
        info.context.require_session()
        order = await info.context.loaders.orders.load(id)
        return None if order is None else cls.of(order)


@strawberry.input(description="Conditions that all must hold; an absent one holds for every order.")
class OrderFilter:
    status: OrderStatus | None = strawberry.field(default=None, description="Only in this status.")
    from_date: datetime | None = strawberry.field(
        default=None,
        description="Recorded at this time or later. A time without a zone is UTC, a date its start.",
    )
    to_date: datetime | None = strawberry.field(
        default=None,
        description="Recorded before this time. A time without a zone is UTC, a date its start.",
    )


FilterArgument = Annotated[
    OrderFilter | None, strawberry.argument(description="Which orders; without it all.")
]
FirstArgument = Annotated[
    int, strawberry.argument(description=f"At most so many of the newest, 1 to {MOST}.")
]
OrderIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The order's id.")]


@strawberry.type
class OrderQueries:
    """Mixed into Query."""

    @auth_field(
        description=f"The caller's own orders, newest first; the newest {MOST} unless `first` says"
        " fewer. Older ones are reached with `filter.toDate`."
    )
    async def my_orders(
        self,
        info: Info,
        filter: FilterArgument = None,  # noqa: A002 - the documented argument's name
        first: FirstArgument = MOST,
    ) -> list[Order]:
        if not 1 <= first <= MOST:
            raise invalid({"first": f"must be a whole number from 1 to {MOST}, not {first}"})
        request = orders_pb2.ListOrdersRequest(filter=own(info.context, filter), page_size=first)
        answer = await info.context.call(info.context.peers.orders.ListOrders, request)
        info.context.spend(len(answer.orders))
        return views(Order, answer.orders)

    @auth_field(
        description="One order. An unknown id, or another customer's, is the error NOT_FOUND."
    )
    async def order_details(self, info: Info, id: OrderIdArgument) -> Order | None:  # noqa: A002 - likewise
        request = orders_pb2.GetOrderRequest(order_id=id)
        with naming(order_id="id"):
            answer = await info.context.call(info.context.peers.orders.GetOrder, request)
        return Order.of(answer.order)


def own(context: Context, wanted: OrderFilter | None) -> orders_pb2.OrderFilter:
    """The caller's own orders that match; raises Failure INVALID."""
    wanted = wanted or OrderFilter()
    return matching(wanted.status, wanted.from_date, wanted.to_date, customer_id=context.own_id())


def matching(
    status: OrderStatus | None,
    from_date: datetime | None,
    to_date: datetime | None,
    *,
    customer_id: str | None,
) -> orders_pb2.OrderFilter:
    """The service's filter; raises Failure INVALID."""
    return orders_pb2.OrderFilter(
        statuses=_statuses(status),
        from_date=_moment("filter.from_date", from_date),
        to_date=_moment("filter.to_date", to_date),
        customer_id=customer_id,
    )


def _statuses(status: OrderStatus | None) -> list[orders_pb2.OrderStatus.ValueType]:
    return [orders_pb2.OrderStatus.Value(f"ORDER_STATUS_{status.name}")] if status else []


def _moment(field: str, moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    try:
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return timestamps.to_proto(aware.astimezone(UTC))
    except (ValueError, OverflowError):
        raise invalid({field: "must be a time between the years 1 and 9999 in UTC"}) from None

"""Relay connections of plans, orders and eSIMs."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Protocol, TypeVar

import strawberry

from gateway.execution.auth import auth_field, public_field
from gateway.execution.selected import selected
from gateway.execution.views import views
from gateway.schema.esims.types import ESIM, with_bundles
from gateway.schema.orders import orders
from gateway.schema.orders.orders import Order
from gateway.schema.plans import queries as plan_queries
from gateway.schema.plans.queries import DataPlanOrder
from gateway.schema.plans.types import DataPlan
from gateway.upstream.context import Info
from kit.errors import Failure, invalid
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2

DEFAULT_SIZE = 20
MAX_SIZE = 100
# Which cursors are valid, for the message about another.
OF_CONNECTION = "must be a cursor returned by this connection for the same arguments except `first`"
OF_FIELD = "must be a cursor returned by this field"


class Page(Protocol):
    """The paging fields that all list responses of the services have."""

    @property
    def next_page_token(self) -> str: ...

    @property
    def row_tokens(self) -> Any: ...

    @property
    def total_size(self) -> int: ...


Answer = TypeVar("Answer")
Connection = TypeVar("Connection")


# Shareable, because other subgraphs may define PageInfo too.
@strawberry.federation.type(shareable=True, description="Position of a page in a connection.")
class PageInfo:
    has_next_page: bool = strawberry.field(
        description="True if there are more items after this page."
    )
    has_previous_page: bool = strawberry.field(
        description="True if there are items before this page."
    )
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first item; null if the page is empty."
    )
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last item, to pass as `after` for the next page; null if the page is"
        " empty."
    )


@strawberry.type(description="A plan and its cursor.")
class DataPlanEdge:
    cursor: str = strawberry.field(description="Cursor of this plan, to pass as `after`.")
    node: DataPlan = strawberry.field(description="The plan.")


@strawberry.type(description="A page of plans.")
class DataPlanConnection:
    edges: list[DataPlanEdge] = strawberry.field(description="The plans of this page.")
    page_info: PageInfo = strawberry.field(description="Position of this page.")
    total_count: int = strawberry.field(description="Number of matching plans on all pages.")


@strawberry.type(description="An order and its cursor.")
class OrderEdge:
    cursor: str = strawberry.field(description="Cursor of this order, to pass as `after`.")
    node: Order = strawberry.field(description="The order.")


@strawberry.type(description="A page of orders.")
class OrderConnection:
    edges: list[OrderEdge] = strawberry.field(description="The orders of this page.")
    page_info: PageInfo = strawberry.field(description="Position of this page.")
    total_count: int = strawberry.field(
        description="Number of matching orders on all pages; counting stops at 10,000."
    )


@strawberry.type(name="ESIMEdge", description="An eSIM and its cursor.")
class ESIMEdge:
    cursor: str = strawberry.field(description="Cursor of this eSIM, to pass as `after`.")
    node: ESIM = strawberry.field(description="The eSIM.")


@strawberry.type(name="ESIMConnection", description="A page of eSIMs.")
class ESIMConnection:
    edges: list[ESIMEdge] = strawberry.field(description="The eSIMs of this page.")
    page_info: PageInfo = strawberry.field(description="Position of this page.")
    total_count: int = strawberry.field(
        description="Number of eSIMs on all pages; counting stops at 10,000."
    )


FirstArgument = Annotated[
    int, strawberry.argument(description=f"Maximum number of items to return, 1 to {MAX_SIZE}.")
]
AfterArgument = Annotated[
    str | None,
    strawberry.argument(
        description="Return the items after this cursor, which must come from a query with the"
        " same arguments except `first`. Items that are added or removed between two"
        " pages don't shift the following pages."
    ),
]


@strawberry.type
class ConnectionQueries:
    """Mixed into Query."""

    @public_field(description="Plans on sale that match a filter, as a paginated connection.")
    async def plans(
        self,
        info: Info,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
        filter: plan_queries.FilterArgument = None,
        order_by: plan_queries.OrderArgument = DataPlanOrder.NAME,
        currency: plan_queries.CurrencyArgument = None,
        locale: plan_queries.LocaleArgument = None,
    ) -> DataPlanConnection:
        request = catalogue_pb2.ListPlansRequest(
            filter=filter.to_proto() if filter else None,
            order_by=catalogue_pb2.PlanOrder.Value(f"PLAN_ORDER_{order_by.name}"),
            page_size=page_size(first),
            page_token=after or "",
            with_row_tokens=True,
            without_total="totalCount" not in selected(info),
            currency=currency or "",
            locale=locale or "",
        )
        catalogue = info.context.peers.catalogue
        page = await page_of(info.context.read_catalogue(catalogue.ListPlans, request))
        return _connection(
            info, DataPlanConnection, DataPlanEdge, views(DataPlan, page.plans), page, after
        )

    @auth_field(description="The caller's own orders, newest first, as a paginated connection.")
    async def orders(
        self,
        info: Info,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
        filter: orders.FilterArgument = None,
    ) -> OrderConnection:
        return await order_page(info, orders.own(info.context, filter), first, after)

    @auth_field(description="The caller's own eSIMs, newest first, as a paginated connection.")
    async def esims(
        self, info: Info, first: FirstArgument = DEFAULT_SIZE, after: AfterArgument = None
    ) -> ESIMConnection:
        own = esims_pb2.ESIMFilter(customer_id=info.context.own_id())
        return await esim_page(info, own, first, after)


async def esim_page(
    info: Info, filter_: esims_pb2.ESIMFilter, first: int, after: str | None
) -> ESIMConnection:
    """Return one page of the matching eSIMs; raise Failure INVALID for a wrong size or cursor."""
    bundled = with_bundles(selected(info, "edges", "node"))
    request = esims_pb2.ListESIMsRequest(
        filter=filter_,
        page_size=page_size(first),
        page_token=after or "",
        with_row_tokens=True,
        fresh=bundled,
        with_bundles=bundled,
        with_total="totalCount" in selected(info),
    )
    page = await page_of(info.context.call(info.context.peers.esims.ListESIMs, request))
    info.context.loaders.add_from_list(page)
    return _connection(info, ESIMConnection, ESIMEdge, views(ESIM, page.esims), page, after)


async def order_page(
    info: Info, filter_: orders_pb2.OrderFilter, first: int, after: str | None
) -> OrderConnection:
    """Return one page of the matching orders; raise Failure INVALID for a wrong size or cursor."""
    request = orders_pb2.ListOrdersRequest(
        filter=filter_,
        page_size=page_size(first),
        page_token=after or "",
        with_row_tokens=True,
        with_total="totalCount" in selected(info),
    )
    page = await page_of(info.context.call(info.context.peers.orders.ListOrders, request))
    return _connection(info, OrderConnection, OrderEdge, views(Order, page.orders), page, after)


def page_size(first: int, most: int = MAX_SIZE) -> int:
    """Return the size of a page; raise Failure INVALID if it is out of bounds."""
    if not 1 <= first <= most:
        raise invalid({"first": f"must be an integer from 1 to {most}, not {first}"})
    return first


async def page_of(answer: Awaitable[Answer], cursors: str = OF_CONNECTION) -> Answer:
    """Return a page from a service; raise Failure INVALID for a cursor that is not one of `cursors`."""
    try:
        return await answer
    except Failure as failure:
        if failure.reason != "INVALID_PAGE_TOKEN":
            raise
        raise invalid({"after": cursors}, reason="INVALID_CURSOR") from failure


def _connection(
    info: Info,
    connection: Callable[..., Connection],
    edge: Callable[..., Any],
    nodes: Sequence[Any],
    page: Page,
    after: str | None,
) -> Connection:
    info.context.spend(len(nodes))
    cursors = page.row_tokens
    return connection(
        edges=[edge(cursor=one, node=node) for one, node in zip(cursors, nodes, strict=True)],
        page_info=page_info(cursors, page.next_page_token, after),
        total_count=page.total_size,
    )


def page_info(cursors: Sequence[str], next_token: str, after: str | None) -> PageInfo:
    """Return the position of a page with these cursors."""
    return PageInfo(
        has_next_page=bool(next_token),
        has_previous_page=bool(after),
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )

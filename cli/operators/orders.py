"""Operations of `esimgo orders`: listing, cancelling and settling the orders of all customers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators import output
from cli.operators.moments import stamp
from cli.operators.service import Service, connect
from protos.orders.v1 import orders_pb2 as pb
from protos.orders.v1.orders_pb2_grpc import OrdersServiceStub

PAGE = 500
TITLES = ("id", "status", "created", "bought", "price", "customer")
# The account that the history names when the local emulator issues the token.
LOCAL_OPERATOR = "operator@example.com"


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of all customers. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def list_orders(
        self,
        limit: int,
        *,
        customer: UUID | None = None,
        statuses: Sequence[str] = (),
        since: datetime | None = None,
    ) -> list[str]:
        """List orders, newest first. A `since` without a time zone is in this machine's zone."""
        request = pb.ListOrdersRequest(
            filter=pb.OrderFilter(
                customer_id=str(customer) if customer else None,
                statuses=[pb.OrderStatus.Value(f"ORDER_STATUS_{s.upper()}") for s in statuses],
                from_date=stamp(since),
            ),
            page_size=min(limit, PAGE),
        )
        found = await self.service.listed("ListOrders", request, "orders", limit)
        if self.as_json:
            return output.document(found)
        return output.table(TITLES, map(_row, found), "no such order")

    async def cancel(self, order_id: str, *, unused_only: bool) -> list[str]:
        """Cancel an order, and refund it if the provider allows."""
        request = pb.CancelOrderRequest(order_id=order_id, unused_only=unused_only)
        answer = await self.service.call("CancelOrder", request)
        if self.as_json:
            return output.document(answer)
        refunds = [
            f"  {revoked.iccid}  {pb.RefundResult.Name(revoked.refund).removeprefix('REFUND_RESULT_')}"
            for revoked in answer.revoked
        ]
        return [
            f"{answer.order.id} is {_status(answer.order)}: {answer.message}",
            *(["revoked bundles, and their refunds:", *refunds] if refunds else []),
        ]

    async def stuck(self, older_than: int) -> list[str]:
        """List orders in review or processing for more than `older_than` seconds, oldest first."""
        request = pb.ListStuckOrdersRequest(older_than_seconds=older_than)
        answer = await self.service.call("ListStuckOrders", request)
        if self.as_json:
            return output.document(list(answer.orders))
        lines = [_line(stuck) for stuck in answer.orders] or ["no order is stuck"]
        if answer.HasField("provider_held_until"):
            until = output.moment(answer, "provider_held_until")
            lines.insert(
                0,
                f"calls to the provider are paused until {until} at its request; then one call is"
                " tried, and these orders continue automatically:",
            )
        return lines

    async def show(self, order_id: str) -> list[str]:
        """Show an order with its attempts, its steps and the provider's orders that may belong to it."""
        history = await self.service.call(
            "GetOrderHistory", pb.GetOrderHistoryRequest(order_id=order_id)
        )
        if self.as_json:
            return output.document(history)
        lines = [_line(history.order), *_facts(history.order), "", "attempts"]
        lines += [
            f"  {output.moment(a, 'started_at')}  {a.outcome:<9} ended {output.moment(a, 'ended_at')}"
            for a in history.attempts
        ]
        lines += ["", "steps"]
        for step in history.steps:
            note = f"  ({step.note})" if step.note else ""
            lines.append(
                f"  {output.moment(step, 'at')}  {step.to_status:<12} {step.reason}  by {step.actor}{note}"
            )
        lines += ["", "orders of the provider that may belong to it"]
        if history.candidates_error:
            lines.append(f"  not available: {history.candidates_error}")
        lines += [f"  {_provider_line(c)}" for c in history.candidates] or ["  none"]
        return lines

    async def resume(self, order_id: str, note: str) -> list[str]:
        """Process an order again now."""
        request = pb.ResumeOrderRequest(order_id=order_id, note=note)
        return [_line((await self.service.call("ResumeOrder", request)).order)]

    async def resolve(
        self, order_id: str, note: str, *, placed_as: str, not_bought: bool, paid_back: bool
    ) -> list[str]:
        """Settle an order in review, by exactly one of the three outcomes."""
        request = pb.ResolveOrderRequest(order_id=order_id, note=note)
        if placed_as:
            request.placed_as = placed_as
        elif not_bought:
            request.not_bought = True
        elif paid_back:
            request.paid_back = True
        return [_line((await self.service.call("ResolveOrder", request)).order)]

    async def unexplained(self) -> list[str]:
        """List the provider's orders that match no order here, newest first."""
        answer = await self.service.call(
            "ListUnexplainedProviderOrders", pb.ListUnexplainedProviderOrdersRequest()
        )
        if self.as_json:
            return output.document(list(answer.orders))
        return [_provider_line(found) for found in answer.orders] or ["none"]


@asynccontextmanager
async def open_orders(
    access: Access, token: str | None, *, as_json: bool = False
) -> AsyncIterator[Orders]:
    """Connect with an administrator's token, or else with one issued by the local emulator."""
    if token is None:
        if access.emulator is None:
            raise CommandError(
                "an administrator's session is required: pass it with --token or in ESIMGO_TOKEN"
                " (`esimgo token --email ... --password` prints one)"
            )
        # Loaded here, because a command with a token makes no HTTP request.
        import aiohttp

        from cli.auth import sessions

        async with aiohttp.ClientSession() as http:
            token = await sessions.mint(http, access.emulator, LOCAL_OPERATOR, role="admin")
    async with connect(access, "orders", OrdersServiceStub, token=token) as service:
        yield Orders(service, as_json)


def _status(order: pb.Order) -> str:
    if order.needs_review:
        return "NEEDS_REVIEW"
    return pb.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")


def _row(order: pb.Order) -> tuple[str, ...]:
    return (
        order.id,
        _status(order),
        output.moment(order, "created_at"),
        f"{order.quantity} x {order.bundle_name}",
        output.amount(order.total_price),
        order.customer_id,
    )


def _line(stuck: pb.StuckOrder) -> str:
    order = stuck.order
    return (
        f"{order.id}  {_status(order):<12} {stuck.recovery_point:<10}"
        f" {output.moment(order, 'created_at')}  {order.quantity} x {order.bundle_name}"
    )


def _facts(stuck: pb.StuckOrder) -> list[str]:
    order = stuck.order
    facts = [
        ("customer", order.customer_id),
        ("price", output.amount(order.total_price)),
        ("cost", _cost(order)),
        (
            "charged above",
            output.amount(order.charged_above) if order.HasField("charged_above") else "",
        ),
        ("reference", order.reference),
        ("for eSIM", order.esim_id),
        ("reason", order.status_reason),
        ("failure", order.failure_reason),
        ("detail", stuck.detail),
        ("next check", output.moment(stuck, "next_look_at")),
    ]
    return [f"  {name:<13} {value}" for name, value in facts if value]


def _cost(order: pb.Order) -> str:
    """Return expected and actual cost, with the price list; empty if the caller may not see costs."""
    if not order.HasField("cost"):
        return ""
    cost = order.cost
    charged = output.amount(cost.charged) if cost.HasField("charged") else "nothing yet"
    source = (
        f"price list {cost.price_list}, rules {cost.rule_version}" if cost.price_list else "at cost"
    )
    return f"{output.amount(cost.expected)} expected, {charged} charged; sold {source}"


def _provider_line(found: pb.ProviderOrder) -> str:
    owner = f"order {found.order_id}" if found.order_id else "unknown here"
    price = output.amount(found.total_price) if found.HasField("total_price") else "no price"
    return (
        f"{found.reference}  {output.moment(found, 'created_at')}  {found.quantity} x {found.bundle_name}"
        f"  {price}  from {found.source_address or 'unknown'}  {owner}"
    )

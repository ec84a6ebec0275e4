"""`esimgo orders`: the orders of all customers, and what operators do about them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import aiohttp

from cli.auth import sessions
from cli.config.access import Access
from cli.operators import output
from kit.errors import Failure
from kit.rpc import client as rpc_client
from kit.values import timestamps
from protos.orders.v1 import orders_pb2 as pb
from protos.orders.v1.orders_pb2_grpc import OrdersServiceStub

# Seconds. The longest of these reads the provider's history since the order's first attempt.
TIMEOUT = 60
PAGE = 500
TITLES = ("id", "status", "created", "bought", "price", "customer")
# Whose name the history holds when the machine's own emulator gives the session.
LOCAL_OPERATOR = "operator@example.com"


class OrdersError(Exception):
    """The service did not do it; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders; what is empty or None holds for all."""

    customer: UUID | None = None
    statuses: Sequence[str] = ()
    since: datetime | None = None

    def to_proto(self) -> pb.OrderFilter:
        """A time without a zone is the machine's own."""
        return pb.OrderFilter(
            customer_id=str(self.customer) if self.customer else None,
            statuses=[pb.OrderStatus.Value(f"ORDER_STATUS_{s.upper()}") for s in self.statuses],
            from_date=timestamps.to_proto(self.since.astimezone() if self.since else None),
        )


class Operator:
    """The calls, with an administrator's session; each raises OrdersError and gives lines of text."""

    def __init__(self, stub: Any, token: str, address: str, *, as_json: bool = False) -> None:
        self._stub = stub
        self._token = token
        self._address = address
        self._as_json = as_json

    async def list_orders(self, wanted: Wanted, most: int) -> list[str]:
        """At most `most` orders of all customers, newest first."""
        request = pb.ListOrdersRequest(filter=wanted.to_proto(), page_size=min(most, PAGE))
        found: list[pb.Order] = []
        while True:
            answer = await self._ask(self._stub.ListOrders, request)
            found += answer.orders
            request.page_token = answer.next_page_token
            if len(found) >= most or not answer.next_page_token:
                break
        found = found[:most]
        if self._as_json:
            return output.document(found)
        return output.table(TITLES, map(_row, found), "no such order")

    async def cancel(self, order_id: str, *, unused_only: bool) -> list[str]:
        """Has the provider take an order back, and refund it where it allows."""
        request = pb.CancelOrderRequest(order_id=order_id, unused_only=unused_only)
        answer = await self._ask(self._stub.CancelOrder, request)
        if self._as_json:
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
        """A line for each order that needs a person or takes too long, the oldest first."""
        answer = await self._ask(
            self._stub.ListStuckOrders, pb.ListStuckOrdersRequest(older_than_seconds=older_than)
        )
        if self._as_json:
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
        """All that is known of one order."""
        shown = await self._ask(
            self._stub.GetOrderHistory, pb.GetOrderHistoryRequest(order_id=order_id)
        )
        if self._as_json:
            return output.document(shown)
        lines = [_line(shown.order), *_facts(shown.order), "", "attempts"]
        lines += [
            f"  {output.moment(a, 'started_at')}  {a.outcome:<9} ended {output.moment(a, 'ended_at')}"
            for a in shown.attempts
        ]
        lines += ["", "steps"]
        for step in shown.steps:
            note = f"  ({step.note})" if step.note else ""
            lines.append(
                f"  {output.moment(step, 'at')}  {step.to_status:<12} {step.reason}  by {step.actor}{note}"
            )
        lines += ["", "orders of the provider that may belong to it"]
        if shown.candidates_error:
            lines.append(f"  not available: {shown.candidates_error}")
        lines += [f"  {_provider_line(c)}" for c in shown.candidates] or ["  none"]
        return lines

    async def resume(self, order_id: str, note: str) -> str:
        """Has the order looked at again."""
        answer = await self._ask(
            self._stub.ResumeOrder, pb.ResumeOrderRequest(order_id=order_id, note=note)
        )
        return _line(answer.order)

    async def resolve(
        self, order_id: str, note: str, *, placed_as: str, not_bought: bool, paid_back: bool
    ) -> str:
        """Settles an order in review; exactly one of the three."""
        request = pb.ResolveOrderRequest(order_id=order_id, note=note)
        if placed_as:
            request.placed_as = placed_as
        elif not_bought:
            request.not_bought = True
        elif paid_back:
            request.paid_back = True
        answer = await self._ask(self._stub.ResolveOrder, request)
        return _line(answer.order)

    async def unexplained(self) -> list[str]:
        """A line for each order of the provider that none here explains, the newest first."""
        answer = await self._ask(
            self._stub.ListUnexplainedProviderOrders, pb.ListUnexplainedProviderOrdersRequest()
        )
        if self._as_json:
            return output.document(list(answer.orders))
        return [_provider_line(found) for found in answer.orders] or ["none"]

    async def _ask(self, method: Any, request: Any) -> Any:
        try:
            return await rpc_client.call(method, request, token=self._token, timeout=TIMEOUT)
        except Failure as failure:
            if failure.kind == "unavailable":
                raise OrdersError(
                    f"the orders service at {self._address} is unavailable ({failure}):"
                    " start it first"
                ) from failure
            raise OrdersError(str(failure)) from failure


@asynccontextmanager
async def operator(
    access: Access, token: str | None, *, as_json: bool = False
) -> AsyncIterator[Operator]:
    """The calls with the given session; without one, with an operator's of the local emulator.

    Raises OrdersError, and SessionError when the emulator gives none.
    """
    if token is None:
        if access.emulator is None:
            raise OrdersError(
                "an administrator's session is required: pass it with --token or in ESIMGO_TOKEN"
                " (`esimgo token --email ... --password` prints one)"
            )
        async with aiohttp.ClientSession() as http:
            token = await sessions.mint(http, access.emulator, LOCAL_OPERATOR, admin=True)
    address = access.addresses["orders"]
    async with rpc_client.channel(address, access.tls) as channel:
        yield Operator(OrdersServiceStub(channel), token, address, as_json=as_json)


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


def _provider_line(found: pb.ProviderOrder) -> str:
    owner = f"order {found.order_id}" if found.order_id else "unknown here"
    price = output.amount(found.total_price) if found.HasField("total_price") else "no price"
    return (
        f"{found.reference}  {output.moment(found, 'created_at')}  {found.quantity} x {found.bundle_name}"
        f"  {price}  from {found.source_address or 'unknown'}  {owner}"
    )

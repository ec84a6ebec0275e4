"""Checks of payments: whether customers pay, Stripe's key and endpoint, and what waits for a person."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import grpc

from cli.config.settings import LocalSettings
from cli.doctor.finding import Finding
from cli.doctor.neighbours import clock, get
from kit.errors import Failure
from kit.net.tls import TLS
from kit.rpc import client as rpc_client
from kit.values import timestamps
from protos.orders.v1 import books_pb2, orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from protos.orders.v1.books_pb2_grpc import BooksServiceStub
from protos.orders.v1.orders_pb2_grpc import OrdersServiceStub
from protos.orders.v1.payments_pb2_grpc import PaymentsServiceStub

# Seconds.
TIMEOUT = 10
# Seconds. The comparison of a day calls eSIM Go and Stripe.
BOOKS_TIMEOUT = 60
STRIPE = "https://api.stripe.com"
# Counted up to this number.
MANY = 500


def required(values: Mapping[str, str]) -> bool:
    """Return True if customers pay for their orders."""
    return values.get("PAYMENTS", "").lower() == "required"


def chosen(settings: LocalSettings, values: Mapping[str, str]) -> Finding:
    """Report whether customers pay for their orders."""
    if required(values):
        return Finding("customers pay for their orders (PAYMENTS=required)")
    if values.get("PAYMENTS", "").lower() == "off" or not settings.real_provider:
        return Finding("customers buy without paying (PAYMENTS=off)")
    return Finding(
        "customers can't buy, because PAYMENTS is not set",
        "set PAYMENTS=required to sell to those who pay (docs/payments.md), or PAYMENTS=off to let all"
        " signed-in users buy at your cost",
    )


async def stripe(http: aiohttp.ClientSession, values: Mapping[str, str]) -> list[Finding]:
    """Check that Stripe accepts the key, that the clocks agree, and that events can be verified."""
    key = values.get("STRIPE_SECRET_KEY")
    if not key:
        return []
    url = values.get("STRIPE_BASE_URL", STRIPE).rstrip("/")
    # Contains no personal data, and the comparison of the books reads it.
    status, headers = await get(
        http, f"{url}/v1/balance_transactions?limit=1", {"Authorization": f"Bearer {key}"}
    )
    if status is None:
        text = f"Stripe does not answer at {url}"
        return [Finding(text, "check STRIPE_BASE_URL and the network")]
    if status == 401:
        text = "Stripe refuses the key (HTTP 401)"
        return [Finding(text, "copy the key from Stripe's dashboard to STRIPE_SECRET_KEY")]
    if status == 403:
        key_finding = Finding(
            "Stripe accepts the key, which may not read balance transactions (HTTP 403)",
            "give the restricted key the permissions that docs/payments.md lists",
        )
    elif status != 200:
        return [Finding(f"Stripe answers HTTP {status} at {url}", "see https://status.stripe.com")]
    else:
        kind = "live" if "_live_" in key else "test"
        key_finding = Finding(f"Stripe at {url} accepts our key, a {kind} key")
    found = [key_finding, clock(url, headers.get("Date"))]
    if not values.get("STRIPE_WEBHOOK_SECRET"):
        found.append(
            Finding(
                "STRIPE_WEBHOOK_SECRET is not set: events of Stripe are refused, and payments are"
                " noticed only by polling",
                "add an endpoint in Stripe's dashboard, and copy its signing secret (docs/payments.md)",
            )
        )
    return found


async def waiting(address: str, tls: TLS, values: Mapping[str, str]) -> list[Finding]:
    """Report what waits for a person; no findings if orders does not answer, which another check reports."""
    token = values["SUPABASE_SERVICE_ROLE_KEY"]
    async with rpc_client.channel(address, tls) as channel:
        payments = PaymentsServiceStub(channel)

        async def call(method: Callable[..., Any], request: Any) -> Any:
            return await rpc_client.call(method, request, token=token, timeout=TIMEOUT)

        try:
            held = await call(payments.ListHeldOrders, pb.ListHeldOrdersRequest(page_size=MANY))
            stuck = await call(
                OrdersServiceStub(channel).ListStuckOrders,
                orders_pb2.ListStuckOrdersRequest(page_size=MANY),
            )
            disputes = await call(
                payments.ListDisputes, pb.ListDisputesRequest(open_only=True, page_size=MANY)
            )
        except Failure:
            return []
        unclear = [one for one in stuck.orders if one.order.needs_review and one.order.has_payment]
        found = findings(len(held.payments), len(unclear), len(disputes.disputes))
        return [*found, *await _books(BooksServiceStub(channel), token)]


def findings(held: int, unclear: int, disputes: int) -> list[Finding]:
    """Report payments that wait for a person."""
    checks = (
        (
            held,
            "orders that are paid, and wait for a review before they are bought",
            "look at them with `./esimgo payments held`",
        ),
        (
            unclear,
            "paid orders in review, because their outcome is unclear",
            "look at them with `./esimgo orders stuck`",
        ),
        (
            disputes,
            "open disputes",
            "look at them with `./esimgo payments disputes --open`",
        ),
    )
    waiting = [
        Finding(f"{what}: {number}", f"{remedy}; docs/runbooks/payments.md has the steps")
        for number, what, remedy in checks
        if number
    ]
    return waiting or [Finding("no payment waits for a person")]


async def _books(stub: Any, token: str) -> list[Finding]:
    """Compare the books of the last day."""
    request = books_pb2.CheckBooksRequest(
        from_date=timestamps.to_proto(datetime.now(UTC) - timedelta(days=1))
    )
    call = stub.CheckBooks(
        request, timeout=BOOKS_TIMEOUT, metadata=(("authorization", f"Bearer {token}"),)
    )
    summary = None
    try:
        async for answer in call:
            if answer.WhichOneof("result") == "summary":
                summary = answer.summary
    except grpc.aio.AioRpcError:
        return []
    if summary is None:
        return []
    if summary.differences:
        text = f"the books of the last day differ in {summary.differences} places"
        return [Finding(text, "list them with `./esimgo books check`")]
    skipped = "".join(f"; not compared: {reason}" for reason in summary.skipped)
    return [Finding(f"the books of the last day agree{skipped}")]

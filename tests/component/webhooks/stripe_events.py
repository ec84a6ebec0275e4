"""Signed events of Stripe, the endpoint that receives them, and a stand-in for the payments service."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

import aiohttp
import grpc
import stripe

from protos.orders.v1 import payments_pb2 as pb
from protos.orders.v1.payments_pb2_grpc import (
    PaymentsServiceServicer,
    add_PaymentsServiceServicer_to_server,
)
from tests.component.webhooks.conftest import Post
from tests.fixtures.postgres import Databases

SECRET, BEFORE = "whsec_of_this_test", "whsec_before"
APPLIED = pb.PAYMENT_EVENT_OUTCOME_APPLIED
Outcome: TypeAlias = "Callable[[pb.PaymentEvent], pb.PaymentEventOutcome.ValueType]"
ROWS = """
select i.*, d.state, d.owner, d.outcome, d.last_error, d.attempts
from webhooks.inbox i join webhooks.deliveries d on d.event_id = i.id order by d.sequence
"""


def event(kind: str = "payment_intent.succeeded", **changes: Any) -> dict[str, Any]:
    about = {"id": "pi_1", "object": "payment_intent", "client_secret": "pi_1_secret_x"}
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": about},
        **changes,
    }


def signed(body: str, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    at = int(time.time()) - age
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, secret, at)}


@dataclass(slots=True)
class Endpoint:
    """The webhook process as Stripe sees it."""

    url: str
    http: aiohttp.ClientSession
    databases: Databases

    async def post(self, body: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        async with self.http.post(self.url, data=body.encode(), headers=headers) as answer:
            return answer.status, await answer.json()

    async def send(self, content: dict[str, Any], **how: Any) -> tuple[int, dict[str, Any]]:
        body = json.dumps(content)
        return await self.post(body, signed(body, **how))

    async def rows(self) -> list[Any]:
        return list(await self.databases.admin.fetch(ROWS))


def endpoint(post: Post) -> Endpoint:
    url = post.url.replace("/webhooks/esim-go", "/webhooks/stripe")
    return Endpoint(url, post.http, post.databases)


@dataclass
class Payments(PaymentsServiceServicer):
    """Stands in for the payments service: records events, and answers as `outcome` says."""

    outcome: Callable[[pb.PaymentEvent], "pb.PaymentEventOutcome.ValueType"] = lambda _event: (
        APPLIED
    )
    seen: list[pb.PaymentEvent] = field(default_factory=list)

    async def ApplyPaymentEvents(
        self, request: pb.ApplyPaymentEventsRequest, context: Any
    ) -> pb.ApplyPaymentEventsResponse:
        self.seen.extend(request.events)
        return pb.ApplyPaymentEventsResponse(outcomes=map(self.outcome, request.events))


def stand_in(outcome: Outcome = lambda _event: APPLIED) -> Payments:
    return Payments(outcome)  # type: ignore[abstract] # its other methods are never called


@asynccontextmanager
async def listening(payments: Payments, port: int) -> AsyncIterator[None]:
    server = grpc.aio.server()
    add_PaymentsServiceServicer_to_server(payments, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


async def delivered(sender: Endpoint, *states: str) -> list[Any]:
    """Wait until all events have one of these states."""
    while {row["state"] for row in await sender.rows()} - set(states):
        await asyncio.sleep(0.02)
    return await sender.rows()

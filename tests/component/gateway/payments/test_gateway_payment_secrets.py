"""Secrets of a payment are in the answers that start or resume it, and nowhere else."""

import json
import logging
from collections.abc import Iterator

import pytest

from kit.errors import Failure, Kind
from protos.orders.v1 import orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from tests.fixtures.answers.payments import BUY, CHOICE, PAGE, SECRET, payment, unpaid
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ORDER_ID, order

RESUME = """mutation($id: ID!) { resumePayment(orderId: $id) {
    success code error payment { clientSecret order { status payment { clientSecret } } } } }"""


async def test_a_payment_is_resumed_with_its_secret(gateway: Gateway, ann: Client) -> None:
    gateway.payments.answers["ResumePayment"] = pb.ResumePaymentResponse(
        payment=payment(client_secret=SECRET)
    )
    gateway.orders.answers["BatchGetOrders"] = orders_pb2.BatchGetOrdersResponse(
        orders=[order(has_payment=True)]
    )
    answer = await ann.ask(RESUME, id=ORDER_ID)
    resumed = answer.data["resumePayment"]
    assert resumed["success"]
    assert resumed["payment"] == {
        "clientSecret": SECRET,
        "order": {"status": "COMPLETED", "payment": {"clientSecret": SECRET}},
    }
    gateway.payments.answers["ResumePayment"] = Failure(Kind.REFUSED, "PAYMENT_NOT_OPEN", "paid")
    answer = await ann.ask(RESUME, id=ORDER_ID)
    assert answer.data["resumePayment"] == {
        "success": False,
        "code": "PAYMENT_NOT_OPEN",
        "error": "paid",
        "payment": None,
    }
    gateway.payments.answers["ResumePayment"] = Failure(
        Kind.UNAVAILABLE, "PAYMENT_PROVIDER_UNREACHABLE", "later"
    )
    assert (await ann.ask(RESUME, id=ORDER_ID)).code == "UNAVAILABLE"


async def test_secrets_reach_no_log_and_no_cache(
    gateway: Gateway, ann: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.orders.answers["CreateOrder"] = unpaid()
    gateway.payments.answers["ResumePayment"] = pb.ResumePaymentResponse(
        payment=payment(client_secret=SECRET, redirect_url=PAGE)
    )
    gateway.payments.answers["GetTopUp"] = pb.GetTopUpResponse(
        payment=payment("", client_secret=SECRET)
    )
    async with gateway.another(ann, response_cache_seconds=60) as client:
        for _ in range(2):
            for query, given in (
                (BUY, {"input": {"payment": CHOICE}}),
                (RESUME, {"id": ORDER_ID}),
                ('{ topUp(id: "t") { clientSecret } }', {}),
            ):
                answer = await client.ask(query, **given)
                assert SECRET in json.dumps(answer.body)
                assert "public" not in answer.headers.get("Cache-Control", "")
    assert gateway.payments.calls["GetTopUp"] == 2
    assert gateway.orders.calls["CreateOrder"] == 2
    assert not [one for one in _logged(caplog) if SECRET in one or PAGE in one]


def _logged(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    for record in caplog.records:
        yield f"{record.getMessage()} {record.__dict__}"

"""Payments of orders in GraphQL: what the service receives, and what clients get."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from protos.orders.v1 import orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from tests.fixtures.answers.changes import Changes
from tests.fixtures.answers.payments import BUY, CHOICE, PAGE, SECRET, eur, payment, unpaid
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ISO, MOMENT, ORDER_ID, order, order_event
from tests.fixtures.sockets import connected

PAYMENT = """id status method amount amountExact currency walletAmount walletAmountExact captured
    capturedExact refunded refundedExact clientSecret redirectUrl expiresAt failure cardLast4 createdAt
    customerId heldReason detail captureBefore intentId disputed
    refunds { id amount amountExact currency destination state reason createdAt settledAt note failure
      requestedBy }"""
DETAILS = f"query($id: ID!) {{ orderDetails(id: $id) {{ payment {{ {PAYMENT} }} }} }}"
LOCAL = ip_network("127.0.0.0/8")


async def test_a_purchase_says_how_the_customer_pays_and_returns_the_secrets(
    gateway: Gateway, ann: Client
) -> None:
    gateway.orders.answers["CreateOrder"] = unpaid()
    answer = await ann.ask(BUY, input={"payment": {**CHOICE, "savePaymentMethod": True}})
    bought = answer.data["purchaseESIM"]
    assert (bought["success"], bought["code"]) == (True, None)
    assert bought["order"]["payment"] == {
        "status": "REQUIRES_ACTION",
        "method": "CARD",
        "clientSecret": SECRET,
        "redirectUrl": PAGE,
    }
    assert gateway.orders.requests[-1].payment == pb.PaymentChoice(
        method=pb.PAYMENT_METHOD_CARD,
        use_wallet=True,
        return_url=CHOICE["returnUrl"],
        save_payment_method=True,
        client_address="127.0.0.1",
    )
    assert not gateway.payments.calls  # the purchase's answer has the payment


async def test_a_purchase_without_a_payment_sends_and_shows_none(
    gateway: Gateway, ann: Client
) -> None:
    answer = await ann.ask(BUY, input={})
    assert answer.data["purchaseESIM"]["order"]["payment"] is None
    assert not gateway.orders.requests[-1].HasField("payment")
    assert not gateway.payments.calls


@pytest.mark.parametrize(
    ("trusted", "headers", "address"),
    [
        ((), {}, "127.0.0.1"),
        # An unknown proxy serves many clients, who must not count as one.
        ((), {"X-Forwarded-For": "203.0.113.7"}, ""),
        ((LOCAL,), {"X-Forwarded-For": "203.0.113.7"}, "203.0.113.7"),
        ((LOCAL,), {"X-Forwarded-For": "2001:db8::7:1"}, "2001:db8::7:1"),
        # What the client itself claims doesn't count.
        ((LOCAL,), {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}, "203.0.113.7"),
    ],
)
async def test_the_service_receives_the_address_that_the_gateway_sees(
    gateway: Gateway, ann: Client, trusted: Any, headers: dict[str, str], address: str
) -> None:
    gateway.orders.answers["CreateOrder"] = unpaid()
    defence = replace(gateway.settings.defence, trusted_proxies=trusted)
    async with gateway.another(ann, defence=defence) as client:
        await client.ask(BUY, headers=headers, input={"payment": CHOICE})
    assert gateway.orders.requests[-1].payment.client_address == address


@pytest.mark.parametrize(
    "reason", ["PAYMENT_REQUIRED", "PAYMENTS_NOT_CONFIGURED", "WALLET_TOO_LOW"]
)
async def test_a_refused_payment_is_data(gateway: Gateway, ann: Client, reason: str) -> None:
    gateway.orders.answers["CreateOrder"] = Failure(Kind.REFUSED, reason, "no")
    answer = await ann.ask(BUY, input={"payment": {"method": "WALLET"}})
    assert answer.data["purchaseESIM"] == {"success": False, "code": reason, "order": None}


async def test_payments_of_all_orders_take_one_call(gateway: Gateway, ann: Client) -> None:
    ids = [str(uuid4()) for _ in range(3)]
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(
        orders=[order(id_, has_payment=True) for id_ in ids] + [order(str(uuid4()))]
    )
    gateway.payments.answers["BatchGetPayments"] = pb.BatchGetPaymentsResponse(
        payments=[payment(id_) for id_ in reversed(ids[1:])]
    )
    gateway.payments.answers["BatchGetRefundable"] = pb.BatchGetRefundableResponse(
        refundables=[
            pb.Refundable(order_id=ids[0], amount=eur("8.99"), reason="FEE", message="A fee.")
        ]
    )
    answer = await ann.ask(
        """{ myOrders { payment { amountExact } refundable { amount amountExact currency until reason
             message } } }"""
    )
    amounts = [one["payment"] and one["payment"]["amountExact"] for one in answer.data["myOrders"]]
    assert amounts == [None, "9.99", "9.99", None]
    assert [one["refundable"] for one in answer.data["myOrders"]] == [
        {
            "amount": 8.99,
            "amountExact": "8.99",
            "currency": "EUR",
            "until": None,
            "reason": "FEE",
            "message": "A fee.",
        },
        None,
        None,
        None,
    ]
    assert gateway.payments.calls == {"BatchGetPayments": 1, "BatchGetRefundable": 1}
    assert [*gateway.payments.requests[0].order_ids] == ids


async def test_every_field_of_a_payment(gateway: Gateway, finance: Client) -> None:
    gateway.orders.answers["GetOrder"] = orders_pb2.GetOrderResponse(order=order(has_payment=True))
    refund = pb.Refund(
        id="r",
        amount=eur("2.5"),
        destination=pb.REFUND_DESTINATION_CARD,
        state=pb.REFUND_STATE_FAILED,
        reason="STAFF",
        created_at=MOMENT,
        settled_at=MOMENT,
        note="slow",
        failure="lost card",
        requested_by="service",
    )
    gateway.payments.answers["BatchGetPayments"] = pb.BatchGetPaymentsResponse(
        payments=[
            payment(
                status=pb.PAYMENT_STATUS_HELD,
                wallet_amount=eur("1.005"),
                captured=eur("3"),
                refunded=eur("2.5"),
                failure="Your card was declined.",
                card_last4="4242",
                customer_id="c",
                held_reason="young account",
                detail="looked at twice",
                capture_before=MOMENT,
                intent_id="pi_1",
                refunds=[refund],
                disputed=True,
            )
        ]
    )
    found = (await finance.ask(DETAILS, id=ORDER_ID)).data["orderDetails"]["payment"]
    assert found == {
        "id": "00000000-0000-4000-8000-000000000009",
        "status": "HELD",
        "method": "CARD",
        "amount": 9.99,
        "amountExact": "9.99",
        "currency": "EUR",
        "walletAmount": 1.005,
        "walletAmountExact": "1.005",
        "captured": 3.0,
        "capturedExact": "3",
        "refunded": 2.5,
        "refundedExact": "2.5",
        "clientSecret": None,
        "redirectUrl": None,
        "expiresAt": None,
        "failure": "Your card was declined.",
        "cardLast4": "4242",
        "createdAt": ISO,
        "customerId": "c",
        "heldReason": "young account",
        "detail": "looked at twice",
        "captureBefore": ISO,
        "intentId": "pi_1",
        "disputed": True,
        "refunds": [
            {
                "id": "r",
                "amount": 2.5,
                "amountExact": "2.5",
                "currency": "EUR",
                "destination": "CARD",
                "state": "FAILED",
                "reason": "STAFF",
                "createdAt": ISO,
                "settledAt": ISO,
                "note": "slow",
                "failure": "lost card",
                "requestedBy": "service",
            }
        ],
    }


AFTER = {
    "AUTHORIZED": pb.PAYMENT_STATUS_PAID,
    "PAID": pb.PAYMENT_STATUS_REFUNDED,
    "REFUNDED": pb.PAYMENT_STATUS_REFUNDED,
}


async def test_order_updated_sends_changes_of_the_payment_alone(
    gateway: Gateway, ann: Client, changes: Changes
) -> None:
    current = [payment(status=pb.PAYMENT_STATUS_AUTHORIZED)]
    gateway.payments.answers["BatchGetPayments"] = lambda _: pb.BatchGetPaymentsResponse(
        payments=current
    )
    changes.messages[:] = [order_event(has_payment=True)]
    async with connected(ann) as socket:
        await socket.subscribe(
            "subscription($id: ID!) { orderUpdated(orderId: $id) { status payment { status } } }",
            id=ORDER_ID,
        )
        for status in ("AUTHORIZED", "PAID", "REFUNDED"):
            event = (await socket.data())["orderUpdated"]
            assert event == {"status": "COMPLETED", "payment": {"status": status}}
            current[:] = [payment(status=AFTER[status])]
            await changes.publish(order_event(has_payment=True))

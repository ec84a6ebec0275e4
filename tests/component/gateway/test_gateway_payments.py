"""Payments in GraphQL: what the service receives, what clients get, and where secrets never appear."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest

from kit.errors import Failure, Kind
from kit.values import money
from protos.common.v1.money_pb2 import Money
from protos.orders.v1 import books_pb2, orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from tests.fixtures.changes import Changes
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ISO, MOMENT, ORDER_ID, order, order_event
from tests.fixtures.neighbours import Auth
from tests.fixtures.sockets import connected

SECRET = "pi_1_secret_4bVx9TzQ"
PAGE = "https://pay.example/c/cs_test_a1#fid-4bVx9TzQ"
BUY = """mutation($input: PurchaseInput) { purchaseESIM(planId: "p", input: $input) {
    success code order { id payment { status method clientSecret redirectUrl } } } }"""
PAYMENT = """id status method amount amountExact currency walletAmount walletAmountExact captured
    capturedExact refunded refundedExact clientSecret redirectUrl expiresAt failure cardLast4 createdAt
    customerId heldReason detail captureBefore intentId disputed
    refunds { id amount amountExact currency destination state reason createdAt settledAt note failure
      requestedBy }"""
DETAILS = f"query($id: ID!) {{ orderDetails(id: $id) {{ payment {{ {PAYMENT} }} }} }}"
CHOICE: dict[str, Any] = {
    "method": "CARD",
    "useWallet": True,
    "returnUrl": "https://shop.example/paid",
}
LOCAL = ip_network("127.0.0.0/8")


def eur(amount: str) -> Money:
    return money.to_proto(Decimal(amount), "EUR")


def payment(order_id: str = ORDER_ID, **fields: Any) -> pb.Payment:
    return pb.Payment(
        **{
            "id": "00000000-0000-4000-8000-000000000009",
            "order_id": order_id,
            "method": pb.PAYMENT_METHOD_CARD,
            "status": pb.PAYMENT_STATUS_REQUIRES_ACTION,
            "amount": eur("9.99"),
            "captured": eur("0"),
            "refunded": eur("0"),
            "created_at": MOMENT,
            **fields,
        }
    )


def unpaid() -> orders_pb2.CreateOrderResponse:
    return orders_pb2.CreateOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_PROCESSING, has_payment=True),
        payment=payment(client_secret=SECRET, redirect_url=PAGE, expires_at=MOMENT),
    )


@pytest.fixture
async def finance(gateway: Gateway, auth: Auth) -> Client:
    return gateway.client.signed_in(await auth.token("finance@example.com", role="finance"))


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


WALLETS = """query($id: ID) { wallets(customerId: $id) {
    id available availableExact held heldExact currency } }"""
WALLET = pb.Wallet(id="w", customer_id="c", available=eur("20.5"), held=eur("1"))


async def test_wallets_and_their_entries(gateway: Gateway, ann: Client) -> None:
    gateway.payments.answers["ListWallets"] = pb.ListWalletsResponse(wallets=[WALLET])
    assert (await ann.ask(WALLETS)).data["wallets"] == [
        {
            "id": "w",
            "available": 20.5,
            "availableExact": "20.5",
            "held": 1.0,
            "heldExact": "1",
            "currency": "EUR",
        }
    ]
    query = "query($c: String!) { walletBalance(currency: $c) { available } }"
    assert (await ann.ask(query, c="eur")).data["walletBalance"] == {"available": 20.5}
    assert (await ann.ask(query, c="USD")).data["walletBalance"] is None

    entry = pb.WalletEntry(
        id="e",
        kind="DEBIT",
        amount=eur("-9.99"),
        available_after=eur("10.51"),
        order_id=ORDER_ID,
        at=MOMENT,
        row_token="t1",
    )
    gateway.payments.answers["ListWalletEntries"] = pb.ListWalletEntriesResponse(
        entries=[entry], next_page_token="t1"
    )
    answer = await ann.ask(
        """{ walletEntries(walletId: "w", first: 1, after: "t0") { edges { cursor node { id kind amount
             amountExact availableAfter availableAfterExact currency orderId at } }
             pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    )
    assert answer.data["walletEntries"] == {
        "edges": [
            {
                "cursor": "t1",
                "node": {
                    "id": "e",
                    "kind": "DEBIT",
                    "amount": -9.99,
                    "amountExact": "-9.99",
                    "availableAfter": 10.51,
                    "availableAfterExact": "10.51",
                    "currency": "EUR",
                    "orderId": ORDER_ID,
                    "at": ISO,
                },
            }
        ],
        "pageInfo": {
            "hasNextPage": True,
            "hasPreviousPage": True,
            "startCursor": "t1",
            "endCursor": "t1",
        },
    }
    assert gateway.payments.requests[-1] == pb.ListWalletEntriesRequest(
        wallet_id="w", page_size=1, page_token="t0"
    )


async def test_only_the_finance_staff_sees_wallets_of_others(
    gateway: Gateway, ann: Client, auth: Auth, finance: Client
) -> None:
    gateway.payments.answers["ListWallets"] = pb.ListWalletsResponse(wallets=[WALLET])
    support = gateway.client.signed_in(await auth.token("sue@example.com", role="support"))
    for client in (ann, support):
        answer = await client.ask(WALLETS, id="c")
        assert answer.code == "FORBIDDEN"
    assert not gateway.payments.calls
    assert (await finance.ask(WALLETS, id="c")).data["wallets"][0]["id"] == "w"
    assert gateway.payments.requests == [pb.ListWalletsRequest(customer_id="c")]


TOP_UP = """mutation($input: TopUpInput!) { topUpWallet(input: $input) {
    success code error payment { id clientSecret order { id } } } }"""


async def test_a_top_up_reaches_the_service(gateway: Gateway, ann: Client) -> None:
    gateway.payments.answers["TopUpWallet"] = pb.TopUpWalletResponse(
        payment=payment("", client_secret=SECRET)
    )
    given = {"amount": "25.00", "currency": "EUR", "idempotencyKey": "k", "returnUrl": "https://s"}
    answer = await ann.ask(TOP_UP, input=given)
    assert answer.data["topUpWallet"]["payment"] == {
        "id": payment().id,
        "clientSecret": SECRET,
        "order": None,
    }
    assert gateway.payments.requests == [
        pb.TopUpWalletRequest(
            amount=eur("25"),
            return_url="https://s",
            idempotency_key="k",
            client_address="127.0.0.1",
        )
    ]
    refused = (await ann.ask(TOP_UP, input={**given, "amount": "1e3"})).data["topUpWallet"]
    assert (refused["success"], refused["code"]) == (False, "INVALID_ARGUMENT")
    assert refused["error"].startswith("input.amount: must be a decimal number")


STAFF = [
    ("{ payments { nodes { id } } }", "ListPayments"),
    ("{ disputes { nodes { id } } }", "ListDisputes"),
    ('{ disputeEvidence(orderId: "o") { items { field } } }', "GetDisputeEvidence"),
    ('mutation { releaseOrder(orderId: "o", note: "n") { success } }', "ReleaseOrder"),
    ('mutation { rejectOrder(orderId: "o", note: "n") { success } }', "RejectOrder"),
    (
        'mutation { refundOrder(orderId: "o", input: {note: "n", idempotencyKey: "k"}) { success } }',
        "RefundOrder",
    ),
    (
        """mutation { markOrderPaid(orderId: "o",
             input: {amount: "1", currency: "EUR", reference: "r"}) { success } }""",
        "MarkOrderPaid",
    ),
    (
        """mutation { correctWallet(customerId: "c",
             input: {amount: "-1", currency: "EUR", note: "n", idempotencyKey: "k"}) { success } }""",
        "CorrectWallet",
    ),
    ("{ ledger { edges { cursor } } }", "ListLedger"),
    ("{ accounts { account } }", "ListAccounts"),
    ("{ heldOrders { nodes { id } } }", "ListHeldOrders"),
]


@pytest.mark.parametrize(("query", "method"), STAFF, ids=[method for _, method in STAFF])
async def test_operations_of_the_staff_are_refused_to_others(
    gateway: Gateway, ann: Client, auth: Auth, query: str, method: str
) -> None:
    gateway.payments.answers["ListHeldOrders"] = pb.ListHeldOrdersResponse()
    support = gateway.client.signed_in(await auth.token("sue@example.com", role="support"))
    assert (await gateway.client.ask(query)).code == "UNAUTHENTICATED"
    assert (await ann.ask(query)).code == "FORBIDDEN"
    answer = await support.ask(query)
    if method == "ListHeldOrders":
        assert answer.data == {"heldOrders": {"nodes": []}}
    else:
        assert answer.code == "FORBIDDEN"
        assert not gateway.payments.calls


async def test_the_finance_staff_lists_payments(gateway: Gateway, finance: Client) -> None:
    gateway.payments.answers["ListPayments"] = pb.ListPaymentsResponse(
        payments=[payment(), payment("")], next_page_token="next"
    )
    gateway.orders.answers["BatchGetOrders"] = orders_pb2.BatchGetOrdersResponse(orders=[order()])
    answer = await finance.ask(
        """{ payments(first: 2, after: "t", filter: {status: [HELD, PAID], customerId: "c",
             fromDate: "2026-02-02T02:40:00"}) { nodes { order { id } } nextCursor } }"""
    )
    assert answer.data["payments"] == {
        "nodes": [{"order": {"id": ORDER_ID}}, {"order": None}],
        "nextCursor": "next",
    }
    assert gateway.payments.requests == [
        pb.ListPaymentsRequest(
            statuses=[pb.PAYMENT_STATUS_HELD, pb.PAYMENT_STATUS_PAID],
            customer_id="c",
            from_date=MOMENT,
            page_size=2,
            page_token="t",
        )
    ]
    gateway.payments.answers["ListPayments"] = Failure(Kind.INVALID, "INVALID_PAGE_TOKEN", "no")
    refused = await finance.ask('{ payments(after: "x") { nextCursor } }')
    assert refused.error["extensions"]["reason"] == "INVALID_CURSOR"
    refused = await finance.ask("{ payments(first: 101) { nextCursor } }")
    assert refused.code == "BAD_USER_INPUT"


REFUND = """mutation($input: RefundInput!) { refundOrder(orderId: "o", input: $input) {
    success code error left payment { status } refunds { destination state } } }"""


async def test_a_refund_of_the_staff(gateway: Gateway, finance: Client) -> None:
    gateway.payments.answers["RefundOrder"] = pb.RefundOrderResponse(
        payment=payment(status=pb.PAYMENT_STATUS_PARTIALLY_REFUNDED),
        refunds=[
            pb.Refund(
                amount=eur("1"),
                destination=pb.REFUND_DESTINATION_WALLET,
                state=pb.REFUND_STATE_SUCCEEDED,
            )
        ],
    )
    given = {"note": "n", "idempotencyKey": "k"}
    answer = await finance.ask(
        REFUND, input={**given, "amount": "1.00", "currency": "EUR", "to": "WALLET"}
    )
    assert answer.data["refundOrder"] == {
        "success": True,
        "code": None,
        "error": None,
        "left": None,
        "payment": {"status": "PARTIALLY_REFUNDED"},
        "refunds": [{"destination": "WALLET", "state": "SUCCEEDED"}],
    }
    await finance.ask(REFUND, input=given)
    keys: dict[str, Any] = {"order_id": "o", "note": "n", "idempotency_key": "k"}
    assert gateway.payments.requests == [
        pb.RefundOrderRequest(amount=eur("1"), destination=pb.REFUND_DESTINATION_WALLET, **keys),
        pb.RefundOrderRequest(**keys),
    ]
    refused = (await finance.ask(REFUND, input={**given, "amount": "1"})).data["refundOrder"]
    assert refused["error"] == "input.currency: is required, because `amount` is set"
    gateway.payments.answers["RefundOrder"] = Failure(
        Kind.REFUSED, "REFUND_ABOVE_CAPTURED", "too much", details={"left": "3.50"}
    )
    refused = (await finance.ask(REFUND, input=given)).data["refundOrder"]
    assert (refused["success"], refused["code"], refused["left"]) == (
        False,
        "REFUND_ABOVE_CAPTURED",
        "3.50",
    )
    gateway.payments.answers["RefundOrder"] = Failure(
        Kind.INVALID, "INVALID_ARGUMENT", "x", fields={"idempotency_key": "must be visible"}
    )
    refused = (await finance.ask(REFUND, input=given)).data["refundOrder"]
    assert refused["error"] == "input.idempotencyKey: must be visible"


async def test_reviews_and_payments_that_arrived_in_another_way(
    gateway: Gateway, finance: Client
) -> None:
    for method, answer in (
        ("ReleaseOrder", pb.ReleaseOrderResponse),
        ("RejectOrder", pb.RejectOrderResponse),
        ("MarkOrderPaid", pb.MarkOrderPaidResponse),
    ):
        gateway.payments.answers[method] = answer(payment=payment())
    gateway.payments.answers["CorrectWallet"] = pb.CorrectWalletResponse(wallet=WALLET)
    done = await finance.ask(
        """mutation {
             releaseOrder(orderId: "a", note: "fine") { success payment { id } }
             rejectOrder(orderId: "b", note: "fraud") { success }
             markOrderPaid(orderId: "c", input: {amount: "9.99", currency: "EUR", reference: "r"}) { success }
             correctWallet(customerId: "d", input: {amount: "-5", currency: "EUR", note: "n",
               idempotencyKey: "k"}) { success wallet { availableExact } }
           }"""
    )
    assert all(one["success"] for one in done.data.values())
    assert done.data["correctWallet"]["wallet"] == {"availableExact": "20.5"}
    assert gateway.payments.requests == [
        pb.ReleaseOrderRequest(order_id="a", note="fine"),
        pb.RejectOrderRequest(order_id="b", note="fraud"),
        pb.MarkOrderPaidRequest(order_id="c", amount=eur("9.99"), reference="r"),
        pb.CorrectWalletRequest(customer_id="d", amount=eur("-5"), note="n", idempotency_key="k"),
    ]
    refusals = {
        "ReleaseOrder": 'releaseOrder(orderId: "a", note: "n") { code }',
        "RejectOrder": 'rejectOrder(orderId: "a", note: "n") { code }',
        "MarkOrderPaid": """markOrderPaid(orderId: "a",
            input: {amount: "1", currency: "EUR", reference: "r"}) { code }""",
        "CorrectWallet": """correctWallet(customerId: "a",
            input: {amount: "1", currency: "EUR", note: "n", idempotencyKey: "k"}) { code }""",
    }
    for method, field in refusals.items():
        gateway.payments.answers[method] = Failure(Kind.REFUSED, "NO_" + method, "no")
        refused = await finance.ask(f"mutation {{ done: {field} }}")
        assert refused.data["done"] == {"code": "NO_" + method}


async def test_disputes_and_their_evidence(gateway: Gateway, finance: Client) -> None:
    dispute = pb.Dispute(
        id="dp_1",
        order_id=ORDER_ID,
        amount=eur("9.99"),
        reason="fraudulent",
        status="needs_response",
        respond_by=MOMENT,
        created_at=MOMENT,
    )
    gateway.payments.answers["ListDisputes"] = pb.ListDisputesResponse(disputes=[dispute])
    gateway.payments.answers["GetDisputeEvidence"] = pb.GetDisputeEvidenceResponse(
        disputes=[dispute],
        items=[pb.EvidenceItem(field="access_activity_log", text="installed")],
    )
    answer = await finance.ask(
        """{ disputes(openOnly: true) { nodes { id orderId amount amountExact currency reason status
             respondBy createdAt closedAt } nextCursor }
             disputeEvidence(orderId: "o") { disputes { id } items { field text } } }"""
    )
    assert answer.data == {
        "disputes": {
            "nodes": [
                {
                    "id": "dp_1",
                    "orderId": ORDER_ID,
                    "amount": 9.99,
                    "amountExact": "9.99",
                    "currency": "EUR",
                    "reason": "fraudulent",
                    "status": "needs_response",
                    "respondBy": ISO,
                    "createdAt": ISO,
                    "closedAt": None,
                }
            ],
            "nextCursor": None,
        },
        "disputeEvidence": {
            "disputes": [{"id": "dp_1"}],
            "items": [{"field": "access_activity_log", "text": "installed"}],
        },
    }


async def test_the_finance_staff_reads_the_ledger(gateway: Gateway, finance: Client) -> None:
    gateway.books.answers["ListLedger"] = books_pb2.ListLedgerResponse(
        transactions=[
            books_pb2.LedgerTransaction(
                id="t",
                kind="SALE",
                order_id=ORDER_ID,
                actor="service",
                at=MOMENT,
                entries=[
                    books_pb2.LedgerEntry(account="deposits", amount=eur("9.99")),
                    books_pb2.LedgerEntry(account="revenue", amount=eur("-9.99")),
                ],
            )
        ],
        row_tokens=["r1"],
        next_page_token="r1",
    )
    gateway.books.answers["ListAccounts"] = books_pb2.ListAccountsResponse(
        accounts=[books_pb2.Account(account="revenue", balance=eur("-9.99"))]
    )
    answer = await finance.ask(
        """{ ledger(first: 1, filter: {account: "revenue", orderId: "o", toDate: "2026-02-02T02:40:00Z"}) {
             edges { cursor node { id kind orderId paymentId actor note at
               entries { account amount amountExact currency } } }
             pageInfo { hasNextPage endCursor } }
             accounts { account balance balanceExact currency } }"""
    )
    assert answer.data == {
        "ledger": {
            "edges": [
                {
                    "cursor": "r1",
                    "node": {
                        "id": "t",
                        "kind": "SALE",
                        "orderId": ORDER_ID,
                        "paymentId": None,
                        "actor": "service",
                        "note": None,
                        "at": ISO,
                        "entries": [
                            {
                                "account": "deposits",
                                "amount": 9.99,
                                "amountExact": "9.99",
                                "currency": "EUR",
                            },
                            {
                                "account": "revenue",
                                "amount": -9.99,
                                "amountExact": "-9.99",
                                "currency": "EUR",
                            },
                        ],
                    },
                }
            ],
            "pageInfo": {"hasNextPage": True, "endCursor": "r1"},
        },
        "accounts": [
            {"account": "revenue", "balance": -9.99, "balanceExact": "-9.99", "currency": "EUR"}
        ],
    }
    requests = {type(one).__name__: one for one in gateway.books.requests}
    assert requests["ListLedgerRequest"] == books_pb2.ListLedgerRequest(
        account="revenue", order_id="o", to_date=MOMENT, page_size=1
    )

"""What only the finance staff can do with payments: list, refund, review and correct them."""

from typing import Any

import pytest

from kit.errors import Failure, Kind
from protos.orders.v1 import orders_pb2
from protos.orders.v1 import payments_pb2 as pb
from tests.fixtures.answers.payments import WALLET, eur, payment
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ISO, MOMENT, ORDER_ID, order
from tests.fixtures.sandboxes import Auth

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

"""Customers who pay, on the real services and the payment sandbox: what each caller sees of it."""

import asyncio
import json
import logging

import pytest

from tests.fixtures.paid import RESUME, PaidPlatform, paid_settings
from tests.fixtures.patience import PATIENCE
from tests.fixtures.payments import PaymentSandbox
from tests.fixtures.platform import OpenPlatform
from tests.fixtures.postgres import Databases
from tests.fixtures.sockets import connected

SHOWN = """query($id: ID!) { orderDetails(id: $id) { status payment {
    status amountExact capturedExact refundedExact clientSecret redirectUrl cardLast4
    customerId heldReason detail captureBefore intentId disputed } } }"""
FOLLOW = (
    "subscription($id: ID!) { orderUpdated(orderId: $id) { status payment { status failure } } }"
)
HELD = "{ heldOrders { nodes { heldReason status order { id } } } }"
DECLINED = "4000000000000002"


async def test_an_order_is_paid_delivered_and_seen_by_its_customer_alone(
    paid: PaidPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ann = await paid.platform.customer("ann@example.com")
    bob = await paid.platform.customer("bob@example.com")
    refused = await paid.buy(ann)
    assert (refused["success"], refused["code"], refused["order"]) == (
        False,
        "PAYMENT_REQUIRED",
        None,
    )

    bought = await paid.buy(ann, method="CARD")
    assert (bought["success"], bought["order"]["status"]) == (True, "PROCESSING")
    order_id, payment = bought["order"]["id"], bought["order"]["payment"]
    secret = payment["clientSecret"]
    assert payment["status"] == "REQUIRES_ACTION"
    assert payment["amountExact"] == bought["order"]["totalPriceExact"]
    assert payment["redirectUrl"] is None
    assert payment["expiresAt"]

    # Coming back continues the same payment; nobody else can.
    resumed = (await ann.ask(RESUME, id=order_id)).data["resumePayment"]
    assert resumed["payment"] == {"clientSecret": secret, "order": {"id": order_id}}
    foreign = (await bob.ask(RESUME, id=order_id)).data["resumePayment"]
    assert (foreign["success"], foreign["code"]) == (False, "ORDER_NOT_FOUND")

    async with connected(ann) as socket:
        await socket.subscribe(FOLLOW, id=order_id)
        first = (await socket.data())["orderUpdated"]
        assert first == {
            "status": "PROCESSING",
            "payment": {"status": "REQUIRES_ACTION", "failure": None},
        }
        await paid.pay(secret, DECLINED)
        await ann.ask(RESUME, id=order_id)  # reads the intent, as an event would
        await paid.pay(secret)
        await ann.ask(RESUME, id=order_id)
        events = await socket.until("orderUpdated", status="COMPLETED")
        assert events[-1]["payment"]["status"] == "PAID"

    shown = (await ann.ask(SHOWN, id=order_id)).data["orderDetails"]["payment"]
    assert shown["capturedExact"] == shown["amountExact"]
    assert shown["cardLast4"] == "4242"
    hidden = ("clientSecret", "redirectUrl", "customerId", "heldReason", "detail")
    assert [shown[name] for name in (*hidden, "captureBefore", "intentId")] == [None] * 7
    assert shown["disputed"] is False
    assert (await bob.ask(SHOWN, id=order_id)).code == "NOT_FOUND"
    over = (await ann.ask(RESUME, id=order_id)).data["resumePayment"]
    assert (over["success"], over["code"]) == (False, "PAYMENT_NOT_OPEN")

    finance = paid.platform.client.signed_in(
        await paid.platform.auth.token("fay@example.com", role="finance")
    )
    seen = (await finance.ask(SHOWN, id=order_id)).data["orderDetails"]["payment"]
    assert seen["clientSecret"] is None
    assert seen["intentId"] == secret.partition("_secret_")[0]
    assert seen["customerId"]
    listed = await finance.ask(
        "{ payments(filter: {status: [PAID]}) { nodes { status order { id status } } nextCursor } }"
    )
    assert listed.data["payments"] == {
        "nodes": [{"status": "PAID", "order": {"id": order_id, "status": "COMPLETED"}}],
        "nextCursor": None,
    }
    assert secret not in "\n".join(f"{one.getMessage()} {one.__dict__}" for one in caplog.records)


async def test_the_payment_providers_page_is_returned_once_and_not_later(
    paid: PaidPlatform,
) -> None:
    ann = await paid.platform.customer("ann@example.com")
    bought = await paid.buy(ann, method="CARD", returnUrl="https://shop.example/paid")
    payment = bought["order"]["payment"]
    assert payment["redirectUrl"].startswith(f"{paid.provider.url}/c/pay/")
    answer = await ann.ask(SHOWN, id=bought["order"]["id"])
    assert answer.data["orderDetails"]["payment"]["redirectUrl"] is None
    wrong = await paid.buy(ann, method="CARD", returnUrl="javascript:alert(1)")
    assert (wrong["success"], wrong["code"]) == (False, "INVALID_ARGUMENT")
    assert wrong["error"].startswith("payment.returnUrl: ")


async def test_held_orders_are_reviewed_by_the_staff(
    databases: Databases, open_platform: OpenPlatform, payment_provider: PaymentSandbox
) -> None:
    changes = paid_settings(payment_provider, guards={"customer_day_orders": 0})
    async with open_platform(databases, **changes) as platform:
        paid = PaidPlatform(platform, payment_provider)
        ann = await platform.customer("ann@example.com")
        tokens = {
            role: await platform.auth.token(f"{role}@example.com", role=role)
            for role in ("support", "finance")
        }
        support, finance = (platform.client.signed_in(tokens[r]) for r in ("support", "finance"))
        ids = []
        for _ in range(2):
            bought = await paid.buy(ann, method="CARD")
            ids.append(bought["order"]["id"])
            await paid.pay(bought["order"]["payment"]["clientSecret"])
            await ann.ask(RESUME, id=ids[-1])
        shown = (await ann.ask(SHOWN, id=ids[0])).data["orderDetails"]
        assert shown["status"] == "PROCESSING"
        assert shown["payment"]["status"] == "AUTHORIZED"  # the review is not visible to customers
        assert shown["payment"]["heldReason"] is None
        assert (await ann.ask(HELD)).code == "FORBIDDEN"
        held = (await support.ask(HELD)).data["heldOrders"]["nodes"]
        assert [one["order"]["id"] for one in held] == ids
        assert {one["status"] for one in held} == {"HELD"}
        assert all(one["heldReason"] for one in held)

        release = (
            'mutation($id: ID!) { done: releaseOrder(orderId: $id, note: "ok") { success code } }'
        )
        reject = (
            'mutation($id: ID!) { done: rejectOrder(orderId: $id, note: "no") { success code } }'
        )
        assert (await support.ask(release, id=ids[0])).code == "FORBIDDEN"
        for mutation, id_ in ((release, ids[0]), (reject, ids[1])):
            assert (await finance.ask(mutation, id=id_)).data["done"]["success"]
        await platform.completed(ann, ids[0])
        again = (await finance.ask(release, id=ids[0])).data["done"]
        assert again == {"success": False, "code": "ORDER_NOT_HELD"}
        await databases.until("select count(*) = 1 from orders.payments where state = 'RELEASED'")
        failed = (await ann.ask(SHOWN, id=ids[1])).data["orderDetails"]
        assert (failed["status"], failed["payment"]["status"]) == ("FAILED", "RELEASED")
        assert not json.loads(failed["payment"]["capturedExact"])


async def test_the_finance_staff_records_a_bank_transfer(paid: PaidPlatform) -> None:
    ann = await paid.platform.customer("ann@example.com")
    bought = await paid.buy(ann, method="MANUAL")
    order_id, payment = bought["order"]["id"], bought["order"]["payment"]
    assert (payment["status"], payment["clientSecret"]) == ("REQUIRES_ACTION", None)
    finance = paid.platform.client.signed_in(
        await paid.platform.auth.token("fay@example.com", role="finance")
    )
    mark = """mutation($id: ID!, $amount: String!) { done: markOrderPaid(orderId: $id,
        input: {amount: $amount, currency: "USD", reference: "transfer 4711"}) { success code } }"""
    wrong = (await finance.ask(mark, id=order_id, amount="0.01")).data["done"]
    assert wrong == {"success": False, "code": "AMOUNT_DIFFERS"}
    assert (await finance.ask(mark, id=order_id, amount=payment["amountExact"])).data["done"][
        "success"
    ]
    await paid.platform.completed(ann, order_id)


async def test_a_wallet_is_topped_up_spent_and_seen_by_its_owner_alone(paid: PaidPlatform) -> None:
    ann = await paid.platform.customer("ann@example.com")
    bob = await paid.platform.customer("bob@example.com")
    top_up = """mutation($amount: String!) { topUpWallet(input: {amount: $amount, currency: "USD",
        idempotencyKey: "k"}) { success code payment { id status clientSecret order { id } } } }"""
    started = (await ann.ask(top_up, amount="20.00")).data["topUpWallet"]
    assert started["success"], started
    payment = started["payment"]
    again = (await ann.ask(top_up, amount="20.00")).data["topUpWallet"]["payment"]
    assert again["id"] == payment["id"]
    other = (await ann.ask(top_up, amount="21.00")).data["topUpWallet"]
    assert (other["success"], other["code"]) == (False, "IDEMPOTENCY_CONFLICT")
    await paid.pay(payment["clientSecret"])
    one = "query($id: ID!) { topUp(id: $id) { status clientSecret } }"
    assert (await bob.ask(one, id=payment["id"])).code == "NOT_FOUND"
    async with asyncio.timeout(PATIENCE):
        while (await ann.ask(one, id=payment["id"])).data["topUp"]["status"] != "PAID":
            await asyncio.sleep(0.1)

    balance = '{ walletBalance(currency: "USD") { id availableExact heldExact } }'
    wallet = (await ann.ask(balance)).data["walletBalance"]
    assert (wallet["availableExact"], wallet["heldExact"]) == ("20", "0")
    assert (await bob.ask(balance)).data["walletBalance"] is None
    too_little = await paid.buy(bob, method="WALLET")
    assert (too_little["success"], too_little["code"]) == (False, "WALLET_TOO_LOW")

    order = (await paid.buy(ann, method="WALLET"))["order"]
    await paid.platform.completed(ann, order["id"])
    entries = """query($id: ID!) { walletEntries(walletId: $id, first: 2) {
        edges { cursor node { kind amountExact orderId } } pageInfo { hasNextPage endCursor } } }"""
    page = (await ann.ask(entries, id=wallet["id"])).data["walletEntries"]
    assert [edge["node"]["kind"] for edge in page["edges"]] == ["DEBIT", "HOLD"]
    assert {edge["node"]["orderId"] for edge in page["edges"]} == {order["id"]}
    assert page["pageInfo"]["hasNextPage"]
    foreign = await bob.ask(entries, id=wallet["id"])
    assert foreign.body.get("errors") or not foreign.data["walletEntries"]["edges"]

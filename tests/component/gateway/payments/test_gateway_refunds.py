"""Refunds on the real services and the payment sandbox, by customers and by the finance staff."""

from decimal import Decimal

from tests.fixtures.paid import PaidPlatform, bought
from tests.fixtures.sockets import connected

BACK = """query($id: ID!) { orderDetails(id: $id) { status
    payment { status refundedExact refunds { amountExact destination state reason note } }
    refundable { amountExact currency until reason message } } }"""


async def test_a_customer_cancels_and_gets_what_was_offered(paid: PaidPlatform) -> None:
    ann = await paid.platform.customer("ann@example.com")
    bob = await paid.platform.customer("bob@example.com")
    order_id = await bought(paid, ann)
    offer = (await ann.ask(BACK, id=order_id)).data["orderDetails"]["refundable"]
    assert (offer["currency"], offer["reason"], offer["message"]) == ("USD", None, None)
    assert offer["until"]
    cancel = "mutation($id: ID!) { cancelOrder(orderId: $id) { success code error } }"
    assert not (await bob.ask(cancel, id=order_id)).data["cancelOrder"]["success"]
    follow = """subscription($id: ID!) { orderUpdated(orderId: $id) {
        status payment { refunds { state } } } }"""
    async with connected(ann) as socket:
        await socket.subscribe(follow, id=order_id)
        assert (await socket.data())["orderUpdated"]["payment"] == {"refunds": []}
        assert (await ann.ask(cancel, id=order_id)).data["cancelOrder"]["success"]
        settled = {"refunds": [{"state": "SUCCEEDED"}]}
        while (await socket.data())["orderUpdated"]["payment"] != settled:
            pass  # the cancellation, and the refund on its way
    after = (await ann.ask(BACK, id=order_id)).data["orderDetails"]
    assert after["payment"]["status"] == "REFUNDED"
    assert after["payment"]["refundedExact"] == offer["amountExact"]
    [refund] = after["payment"]["refunds"]
    assert (refund["destination"], refund["reason"], refund["note"]) == ("CARD", "CANCELLED", None)
    assert after["refundable"]["amountExact"] == "0"
    assert after["refundable"]["reason"] in ("CANCELLED", "ALREADY_REFUNDED")


async def test_the_finance_staff_refunds_and_reads_the_books(paid: PaidPlatform) -> None:
    ann = await paid.platform.customer("ann@example.com")
    finance = paid.platform.client.signed_in(
        await paid.platform.auth.token("fay@example.com", role="finance")
    )
    order_id = await bought(paid, ann)
    refund = """mutation($id: ID!, $amount: String, $key: String!) { done: refundOrder(orderId: $id,
        input: {amount: $amount, currency: "USD", note: "slow", idempotencyKey: $key}) {
        success code left refunds { amountExact destination } } }"""
    for _ in range(2):  # the same key refunds once
        done = (await finance.ask(refund, id=order_id, amount="1.00", key="a")).data["done"]
        assert done["success"], done
        assert done["refunds"] == [{"amountExact": "1", "destination": "CARD"}]
    over = (await finance.ask(refund, id=order_id, amount="1000", key="b")).data["done"]
    assert (over["success"], over["code"]) == (False, "REFUND_ABOVE_CAPTURED")
    assert over["left"]
    shown = (await ann.ask(BACK, id=order_id)).data["orderDetails"]["payment"]
    assert (shown["status"], shown["refundedExact"]) == ("PARTIALLY_REFUNDED", "1")
    assert shown["refunds"][0]["note"] is None

    books = await finance.ask(
        """query($id: ID!) { ledger(filter: {orderId: $id}) { edges { node { kind
             entries { account amountExact } } } } accounts { account balanceExact } }""",
        id=order_id,
    )
    kinds = {edge["node"]["kind"] for edge in books.data["ledger"]["edges"]}
    assert {"TAKE", "SALE", "COST"} <= kinds
    for edge in books.data["ledger"]["edges"]:
        assert sum(Decimal(one["amountExact"]) for one in edge["node"]["entries"]) == 0
    assert "revenue" in {one["account"] for one in books.data["accounts"]}
    evidence = await finance.ask(
        "query($id: ID!) { disputeEvidence(orderId: $id) { disputes { id } items { field text } } }",
        id=order_id,
    )
    assert evidence.data["disputeEvidence"]["items"]

"""Orders whose payment was taken and disputed before their delivery: they are not bought, nor delivered."""

from typing import Any

from protos.orders.v1 import orders_pb2
from services.orders.payments.disputes.settings import DisputeSettings
from tests.component.orders.payments.paid_shop import RISKY, Open, PaidShop
from tests.component.orders.payments.test_disputes import NO_POLL, dispute, recorded, send_event
from tests.component.orders.payments.test_held_orders import guarded, reject, release
from tests.component.orders.payments.test_unclear_payments import reference, resolve, unclear
from tests.fixtures.rpc.refusals import refused

EVENTS = DisputeSettings(suspend=False, refund_warnings=False, poll_every=NO_POLL)


async def disputed(shop: PaidShop, service: Open, order_id: str) -> tuple[Any, str]:
    """Dispute the payment of an order; return its row and the dispute."""
    row = await shop.payment(order_id)
    dispute_id = await dispute(shop, row)
    await send_event(service, shop, "charge.dispute.created", row, dispute_id)
    await recorded(shop, dispute_id, "needs_response")
    return row, dispute_id


async def win(shop: PaidShop, service: Open, row: Any, dispute_id: str) -> None:
    await shop.provider.control("POST", f"/disputes/{dispute_id}/resolve", {"status": "won"})
    await send_event(service, shop, "charge.dispute.closed", row, dispute_id)
    await recorded(shop, dispute_id, "won")


async def held(paid_shop: PaidShop, service: Open) -> str:
    """Return an order that is held although its payment was taken, by a method without holds."""
    buyer = await paid_shop.shop.session("b@example.com")
    order_id, intent_id = await paid_shop.bought(service, buyer)
    paid_shop.provider.world.intents[intent_id].capture_method = "automatic"
    await paid_shop.pay(intent_id, RISKY)
    await paid_shop.due(order_id)
    await paid_shop.becomes(order_id, "PAID")
    return order_id


async def test_a_held_order_is_not_released_while_its_payment_is_disputed(
    paid_shop: PaidShop,
) -> None:
    finance = await paid_shop.shop.session("f@example.com", role="finance")
    async with paid_shop.open(disputes=EVENTS, **guarded(high_risk=1)) as service:
        order_id = await held(paid_shop, service)
        row, dispute_id = await disputed(paid_shop, service, order_id)
        assert await refused(release(service, order_id, finance)) == "PAYMENT_DISPUTED"
        assert paid_shop.shop.charges == 0
        await win(paid_shop, service, row, dispute_id)
        await release(service, order_id, finance)
        await paid_shop.reaches(order_id, "COMPLETED")


async def test_a_held_order_is_rejected_while_its_payment_is_disputed(paid_shop: PaidShop) -> None:
    finance = await paid_shop.shop.session("f@example.com", role="finance")
    async with paid_shop.open(disputes=EVENTS, **guarded(high_risk=1)) as service:
        order_id = await held(paid_shop, service)
        await disputed(paid_shop, service, order_id)
        await reject(service, order_id, finance)
        await paid_shop.becomes(order_id, "RELEASED")
    assert await paid_shop.failure(order_id) == "PAYMENT_REJECTED"


async def test_an_order_is_not_bought_if_it_is_disputed_after_its_release(
    paid_shop: PaidShop,
) -> None:
    finance = await paid_shop.shop.session("f@example.com", role="finance")
    databases = paid_shop.shop.databases
    async with paid_shop.open(disputes=EVENTS, **guarded(high_risk=1)) as service:
        order_id = await held(paid_shop, service)
        # The purchase waits for the provider, which does not confirm the price yet.
        await paid_shop.shop.fault(method="POST", path="/orders", status=503, count=0)
        await release(service, order_id, finance)
        await databases.until("select recovery_point = 'CLAIMED' from orders.esim_orders")
        await disputed(paid_shop, service, order_id)
        shop = paid_shop.shop
        await shop.http.delete(f"{shop.sandbox.control_url}/faults")
        await paid_shop.reaches(order_id, "FAILED")
        await paid_shop.becomes(order_id, "RELEASED")
    assert paid_shop.shop.charges == 0


async def test_an_order_in_review_is_not_delivered_while_its_payment_is_disputed(
    paid_shop: PaidShop,
) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open(disputes=EVENTS) as service:
        order_id, _ = await unclear(paid_shop, service, buyer)
        await paid_shop.becomes(order_id, "PAID")
        row, dispute_id = await disputed(paid_shop, service, order_id)
        placed = await reference(paid_shop)
        call: Any = resolve(service, order_id, admin, placed_as=placed)
        assert await refused(call) == "PAYMENT_DISPUTED"
        resume = orders_pb2.ResumeOrderRequest(order_id=order_id)
        call = service.orders.ResumeOrder(resume, metadata=admin)
        assert await refused(call) == "PAYMENT_DISPUTED"
        await win(paid_shop, service, row, dispute_id)
        await resolve(service, order_id, admin, placed_as=placed)
        await paid_shop.reaches(order_id, "COMPLETED")
    assert not await shop.databases.admin.fetch("select from orders.refunds")

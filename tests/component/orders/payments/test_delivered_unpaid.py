"""Orders in review whose hold has ended: what an operator can do, and what must not be delivered."""

from typing import Any

from protos.common.v1 import money_pb2
from protos.orders.v1 import books_pb2, books_pb2_grpc, orders_pb2, payments_pb2
from tests.component.orders.payments.paid_shop import Open, PaidShop
from tests.component.orders.payments.test_unclear_payments import reference, resolve
from tests.component.orders.refunds.bought import balances
from tests.component.orders.refunds.bought import wanted as wanted_refund
from tests.component.orders.shop import Metadata
from tests.fixtures.rpc.refusals import failure_of, refused


async def placed(paid_shop: PaidShop, service: Open, buyer: Metadata) -> tuple[str, str]:
    """Return a paid order that is bought, but whose eSIMs can't be registered yet, and its intent."""
    paid_shop.shop.esims.may_answer.clear()
    order_id, intent_id = await paid_shop.bought(service, buyer)
    await paid_shop.pay(intent_id)
    await paid_shop.due(order_id)
    await paid_shop.shop.databases.until("select recovery_point = 'PLACED' from orders.esim_orders")
    return order_id, intent_id


async def total(service: Open, order_id: str, who: Metadata) -> money_pb2.Money:
    wanted = orders_pb2.GetOrderRequest(order_id=order_id)
    return (await service.orders.GetOrder(wanted, metadata=who)).order.total_price


async def pay_by_hand(service: Open, order_id: str, who: Metadata) -> None:
    """Record that an order was paid in another way, and let it continue."""
    wanted = payments_pb2.MarkOrderPaidRequest(
        order_id=order_id, amount=await total(service, order_id, who), reference="by hand"
    )
    await service.payments.MarkOrderPaid(wanted, metadata=who)
    resume = orders_pb2.ResumeOrderRequest(order_id=order_id)
    await service.orders.ResumeOrder(resume, metadata=who)


async def differences(service: Open, who: Metadata) -> set[str]:
    stub: Any = books_pb2_grpc.BooksServiceStub(service.channel)
    return {
        answer.difference.code
        async for answer in stub.CheckBooks(books_pb2.CheckBooksRequest(), metadata=who)
        if answer.WhichOneof("result") == "difference"
    }


async def test_a_delivered_order_that_is_never_paid_is_written_off(paid_shop: PaidShop) -> None:
    """As docs/runbooks/payments.md says."""
    shop, key = paid_shop.shop, paid_shop.shop.service_key
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    shop.sandbox.world.switches.refunds = True
    async with paid_shop.open() as service:
        order_id, intent_id = await placed(paid_shop, service, buyer)
        await paid_shop.dashboard(f"payment_intents/{intent_id}/cancel")
        shop.esims.may_answer.set()
        await paid_shop.reaches(order_id, "NEEDS_REVIEW")
        failure = await failure_of(resolve(service, order_id, admin, paid_back=True))
        assert failure.reason == "RESOLUTION_DOES_NOT_FIT"
        assert "MarkOrderPaid" in failure.message
        await pay_by_hand(service, order_id, admin)
        await paid_shop.reaches(order_id, "COMPLETED")
        by_hand = payments_pb2.REFUND_DESTINATION_MANUAL
        await service.payments.RefundOrder(
            wanted_refund(order_id, destination=by_hand), metadata=key
        )
        cancel = orders_pb2.CancelOrderRequest(order_id=order_id)
        await service.orders.CancelOrder(cancel, metadata=admin)
        assert await differences(service, key) == set()
    payment = await paid_shop.payment(order_id)
    assert payment["refunded"] == payment["captured"] == payment["amount"]
    booked = await balances(paid_shop)
    assert booked["clearing:manual"] == booked["deposits"] == 0
    assert booked["revenue"] == -booked["refunds"]
    assert await shop.databases.admin.fetch("select from orders.wallets where available > 0") == []


async def test_an_order_is_not_delivered_if_its_hold_ended_unnoticed(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    # Not of the validation, which comes first.
    await shop.fault(method="POST", path="/orders", drop=True, effect="done", skip=1)
    await shop.fault(method="GET", path="/orders", status=503, count=0)
    async with paid_shop.open() as service:
        order_id, intent_id = await paid_shop.bought(service, buyer)
        await paid_shop.pay(intent_id)
        await paid_shop.due(order_id)
        await shop.databases.until(  # its answer was lost, and the worker has put it back
            "select recovery_point = 'ATTEMPTED' and lease_owner is null from orders.esim_orders"
        )
        await shop.databases.until("select next_run_at > now() from orders.payments")
        await shop.databases.admin.execute(
            "update orders.esim_orders set status = 'NEEDS_REVIEW', next_run_at = null,"
            " lease_owner = null, leased_until = null"
        )
        # No event says so.
        await paid_shop.dashboard(f"payment_intents/{intent_id}/cancel")
        call: Any = resolve(service, order_id, admin, placed_as=await reference(paid_shop))
        assert await refused(call) == "ORDER_NOT_PAID"
        assert (await paid_shop.payment(order_id))["state"] == "RELEASED"
        resume = orders_pb2.ResumeOrderRequest(order_id=order_id)
        assert await refused(service.orders.ResumeOrder(resume, metadata=admin)) == "ORDER_NOT_PAID"
    assert await shop.databases.admin.fetch("select from orders.order_esims") == []


async def test_a_part_that_was_captured_elsewhere_goes_back(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("b@example.com")
    admin = await shop.session("a@example.com", admin=True)
    async with paid_shop.open() as service:
        order_id, intent_id = await placed(paid_shop, service, buyer)
        await paid_shop.dashboard(f"payment_intents/{intent_id}/capture", amount_to_capture=100)
        shop.esims.may_answer.set()
        await paid_shop.reaches(order_id, "NEEDS_REVIEW")
        await paid_shop.becomes(order_id, "RELEASED")
        await shop.databases.until("select next_run_at is null from orders.payments")
        assert "does not match" in (await shop.row(order_id))["operator_detail"]
        [refund] = paid_shop.provider.world.refunds.values()
        assert refund.amount == 100
        await pay_by_hand(service, order_id, admin)
        await paid_shop.reaches(order_id, "COMPLETED")

"""Log lines of orders: one readable line for each step, and for each act of an administrator."""

import logging
import re

import grpc
import pytest

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop, request

UUID = r"[0-9a-f-]{36}"


def lines(caplog: pytest.LogCaptureFixture, of: str = "") -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name in ("services.orders.step_log", "kit.auth.operator_log")
        and record.levelno == logging.INFO
        and of in record.getMessage()
    ]


async def test_every_step_of_a_purchase_and_its_refund_is_logged(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    buyer = await shop.session("ann@example.com")
    root = await shop.session("root@example.com", admin=True)
    async with shop.open() as orders:
        order = (
            await orders.CreateOrder(request(shop, customer_reference="Anna"), metadata=buyer)
        ).order
        bought = lines(caplog, order.id)
        assert bought[0] == f"order {order.id}: claimed, now PROCESSING, by its customer"
        assert f"order {order.id}: asking the provider, now PROCESSING, by purchase" in bought
        assert f"order {order.id}: placed, now PROCESSING, by purchase" in bought
        assert bought[-1] == f"order {order.id}: completed, now COMPLETED, by purchase"
        caplog.clear()
        cancel = orders_pb2.CancelOrderRequest(order_id=order.id)
        cancelled = (await orders.CancelOrder(cancel, metadata=root)).order
        status = orders_pb2.OrderStatus.Name(cancelled.status).removeprefix("ORDER_STATUS_")
        assert status in ("CANCELLED", "REFUNDED")
        admin = await shop.auth.user_id("root@example.com")
        output = lines(caplog)
        assert output[0] == (f"order {order.id}: cancellation asked for, now COMPLETED, by {admin}")
        assert f"order {order.id}: cancelled, now {status}, by cancellation" in output
        act = f"CancelOrder by administrator {admin}: order_id={order.id} unused_only=false: done"
        assert act in output
        steps = await shop.databases.admin.fetch(
            "select reason from orders.order_events where order_id = $1::text::uuid order by id",
            order.id,
        )
    logged = [
        re.fullmatch(rf"order {UUID}: (.+), now \S+.*, by .+", line) for line in bought + output
    ]
    assert [match[1] for match in logged if match] == [row["reason"] for row in steps]
    customer = str(await shop.auth.user_id("ann@example.com"))
    secrets = [e.matching_id for e in shop.sandbox.world.esims]
    text = caplog.text + "\n".join(bought)
    assert not [part for part in (customer, "Anna", *secrets) if part in text]


async def test_refused_purchases_and_operator_actions_are_logged_with_the_reason(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    root = await shop.session("root@example.com", admin=True)
    admin = await shop.auth.user_id("root@example.com")
    async with shop.open() as orders:
        await shop.control("balance", set=0)
        buyer = await shop.session("ann@example.com")
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        assert lines(caplog, order.id)[-1] == (
            f"order {order.id}: refused by the provider, now FAILED (INSUFFICIENT_BALANCE), by purchase"
        )
        caplog.clear()
        for given, logged_id in ((order.id, order.id), ("x\nroot did it", '"x\\nroot did it"')):
            with pytest.raises(grpc.aio.AioRpcError):
                await orders.ResumeOrder(
                    orders_pb2.ResumeOrderRequest(order_id=given, note="free text"), metadata=root
                )
            (line,) = lines(caplog)
            assert line.startswith(
                f"ResumeOrder by administrator {admin}: order_id={logged_id}: refused, "
            )
            caplog.clear()
        # Acts of customers are logged by the steps of their orders alone.
        with pytest.raises(grpc.aio.AioRpcError):
            await orders.CancelOrder(
                orders_pb2.CancelOrderRequest(order_id=order.id), metadata=buyer
            )
        assert lines(caplog) == []


async def test_a_step_that_is_rolled_back_is_not_logged(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    # The order's first step can't be written, so neither is the order.
    await shop.databases.admin.execute("revoke insert on orders.order_events from orders_system")
    async with shop.open() as orders:
        buyer = await shop.session("ann@example.com")
        with pytest.raises(grpc.aio.AioRpcError):
            await orders.CreateOrder(request(shop), metadata=buyer)
        assert lines(caplog) == []
        await shop.databases.admin.execute("grant insert on orders.order_events to orders_system")
        await orders.CreateOrder(request(shop), metadata=buyer)
        assert lines(caplog)[0].endswith("claimed, now PROCESSING, by its customer")

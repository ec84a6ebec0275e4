"""Buying and cancelling between the real catalogue and esims services, and a process that is killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.component.orders.real_peers import environment, platform
from tests.component.orders.shop import Shop, patient_channel, reaches, request
from tests.fixtures.patience import until


async def test_a_purchased_plan_becomes_an_esim_of_its_buyer(shop: Shop) -> None:
    shop.sandbox.world.switches.refunds = True
    buyer = await shop.session("buyer@example.com")
    async with platform(shop) as services:
        catalogue, orders, esims = services.catalogue, services.orders, services.esims
        name = shop.catalogue.bundles[shop.plan_id].name
        found = await catalogue.GetPlan(catalogue_pb2.GetPlanRequest(name=name))
        bought = await orders.CreateOrder(
            request(shop, plan_id=found.plan.id, quantity=2), metadata=buyer
        )
        assert bought.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert bought.order.bundle_name == name
        assert bought.order.unit_price == found.plan.price
        wanted = esims_pb2.BatchListOrderESIMsRequest(order_ids=[bought.order.id])
        mine = (await esims.BatchListOrderESIMs(wanted, metadata=buyer)).esims
        assigned = await orders.ListOrderAssignments(
            orders_pb2.ListOrderAssignmentsRequest(order_id=bought.order.id), metadata=buyer
        )
        assert {(e.iccid, e.matching_id, e.smdp_address) for e in mine} == {
            (a.iccid, a.matching_id, a.smdp_address) for a in assigned.assignments
        }
        assert {e.status for e in mine} == {esims_pb2.ESIM_STATUS_ASSIGNED}
        cancelled = await orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=bought.order.id), metadata=buyer
        )
        assert cancelled.order.status == orders_pb2.ORDER_STATUS_REFUNDED
        mine = (await esims.BatchListOrderESIMs(wanted, metadata=buyer)).esims
        assert {e.status for e in mine} == {esims_pb2.ESIM_STATUS_CANCELLED}


@asynccontextmanager
async def process(shop: Shop) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run the orders service as a process that answers before a purchase ends; yields it and its port."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.orders",
        env=os.environ
        | environment(shop)
        | {"LOG_FORMAT": "text", "ORDERS_METRICS_PORT": "off", "ORDERS_PURCHASE_WAIT": "1"},
        stderr=asyncio.subprocess.PIPE,
    )
    assert running.stderr is not None
    try:
        async for line in running.stderr:
            if b"ready on" in line:
                yield running, int(line.rsplit(b":", 1)[1])
                break
        else:
            pytest.fail("the service did not start")
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def test_a_purchase_whose_process_was_killed_is_found_and_charged_once(shop: Shop) -> None:
    buyer = await shop.session("buyer@example.com")

    async def paid() -> bool:
        return shop.charges == 1

    # Longer than the test: the provider executes the order, and its answer never arrives.
    await shop.fault(method="POST", path="/orders", delay_seconds=3600, effect="done")
    async with (
        process(shop) as (running, port),
        patient_channel(port) as channel,
    ):
        create: Any = channel.unary_unary(
            "/orders.v1.OrdersService/CreateOrder",
            request_serializer=orders_pb2.CreateOrderRequest.SerializeToString,
            response_deserializer=orders_pb2.CreateOrderResponse.FromString,
        )
        answer = await create(request(shop), metadata=buyer)
        assert answer.order.status == orders_pb2.ORDER_STATUS_PROCESSING
        await until(paid)
        running.send_signal(signal.SIGKILL)
        await running.wait()
    [attempt] = await shop.databases.admin.fetch("select outcome from orders.order_attempts")
    assert attempt["outcome"] == "OPEN"
    # As the expiry of its lease would do, without the wait.
    await shop.databases.admin.execute(
        "update orders.esim_orders set leased_until = now(), next_run_at = now()"
    )

    async with shop.open(settling=3600.0):
        await reaches(shop, answer.order.id, "COMPLETED")
    assert shop.charges == 1
    assert len(shop.esims.registered[answer.order.id].esims) == 1

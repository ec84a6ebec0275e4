"""Plans bought for an existing eSIM of the customer, between the real services."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import grpc
import pytest

from kit.values import timestamps
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import events_pb2, orders_pb2
from tests.component.orders.real_peers import Platform, platform
from tests.component.orders.shop import Metadata, Shop, incompatible_plans, reaches
from tests.fixtures.rpc.refusals import reason_of

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED
OTHER = events_pb2.DeliveredProfile(
    iccid="8944500000000000009", activation_code="LPA:1$rsp.example$OTHER"
)


async def _delivered(services: Platform, shop: Shop, order_id: str) -> None:
    """Report by a callback that an order was delivered on another eSIM than the requested one."""
    reference = (await shop.row(order_id))["provider_reference"]
    event = events_pb2.ProviderEvent(
        event_id=str(uuid4()),
        received_at=timestamps.to_proto(datetime.now(UTC)),
        order_delivered=events_pb2.OrderDelivered(reference=reference, esims=[OTHER]),
    )
    await services.orders.ApplyEvents(
        events_pb2.ApplyEventsRequest(events=[event]), metadata=shop.service_key
    )


async def owned(services: Platform, buyer: Metadata, name: str) -> esims_pb2.ESIM:
    plan = await services.plan(name)
    order = await services.buy(buyer, plan_id=plan.id)
    assert order.status == COMPLETED
    (esim,) = await services.esims_of(order, buyer)
    return esim


def on_esim(shop: Shop, iccid: str) -> list[str]:
    """Return the references of the orders that the provider put on the eSIM."""
    found = shop.sandbox.world.assignments
    return [a.reference.rpartition("-")[0] for a in found if a.iccid == iccid]


async def test_a_top_up_adds_the_plan_to_the_customers_esim(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    fitting, _ = incompatible_plans(shop)
    async with platform(shop) as services:
        esim = await owned(services, buyer, fitting)
        order = await services.buy(buyer, plan_id=esim.plan_id, esim_id=esim.id)
        assert order.status == COMPLETED
        assert (order.esim_id, order.reassigned) == (esim.id, False)
        assert order.reference in on_esim(shop, esim.iccid)
        assert await services.esims_of(order, buyer) == []  # the eSIM stays with its original order
        bundles = await services.esims.BatchListBundles(
            esims_pb2.BatchListBundlesRequest(esim_ids=[esim.id]), metadata=buyer
        )
        assert len(bundles.bundles) == 2
        shop.sandbox.world.switches.refunds = True
        cancelled = await services.orders.CancelOrder(
            orders_pb2.CancelOrderRequest(order_id=order.id), metadata=buyer
        )
        assert cancelled.order.status == orders_pb2.ORDER_STATUS_REFUNDED
        left = await services.esims.GetESIM(
            esims_pb2.GetESIMRequest(esim_id=esim.id), metadata=buyer
        )
        assert left.esim.status == esims_pb2.ESIM_STATUS_ASSIGNED
    assert shop.charges == 2


async def test_an_incompatible_plan_is_refused_or_delivered_on_a_new_esim(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    fitting, other = incompatible_plans(shop)
    async with platform(shop) as services:
        esim = await owned(services, buyer, fitting)
        foreign = await services.plan(other)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await services.buy(buyer, plan_id=foreign.id, esim_id=esim.id)
        assert reason_of(raised.value) == "ESIM_INCOMPATIBLE"
        assert shop.charges == 1
        order = await services.buy(buyer, plan_id=foreign.id, esim_id=esim.id, allow_reassign=True)
        assert (order.status, order.reassigned) == (COMPLETED, True)
        assert "new one" in order.status_reason
        (new,) = await services.esims_of(order, buyer)
    assert new.iccid != esim.iccid


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"quantity": 2}, "quantity"), ({"allow_reassign": True, "esim_id": ""}, "allow_reassign")],
)
async def test_options_that_do_not_apply_to_a_top_up_are_refused(
    shop: Shop, changes: dict[str, Any], field: str
) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop) as services:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await services.buy(buyer, **({"esim_id": shop.plan_id} | changes))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(raised.value.details())


async def test_topping_up_another_customers_esim_is_not_found(shop: Shop) -> None:
    one, two = await shop.session("one@example.com"), await shop.session("two@example.com")
    fitting, _ = incompatible_plans(shop)
    async with platform(shop) as services:
        esim = await owned(services, one, fitting)
        for stranger in (two, await shop.session("admin@example.com", admin=True)):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await services.buy(stranger, plan_id=esim.plan_id, esim_id=esim.id)
            assert reason_of(raised.value) == "ESIM_NOT_FOUND"
    assert shop.charges == 1


async def test_lost_top_ups_and_lost_new_esims_are_not_confused(shop: Shop) -> None:
    """Both are of one bundle and quantity, and both answers are lost."""
    buyer = await shop.session("b@example.com")
    fitting, _ = incompatible_plans(shop)
    async with platform(shop, purchase_wait=0.1, settling=2.0) as services:
        plan = await services.plan(fitting)
        first = await services.buy(buyer, plan_id=plan.id)
        await reaches(shop, first.id, "COMPLETED")
        (esim,) = await services.esims_of(first, buyer)
        await shop.fault(method="POST", path="/orders", drop=True, effect="done", count=2)
        top_up = await services.buy(buyer, plan_id=plan.id, esim_id=esim.id)
        new = await services.buy(buyer, plan_id=plan.id)
        for order in (top_up, new):
            await reaches(shop, order.id, "COMPLETED")
        reference = (await shop.row(top_up.id))["provider_reference"]
        assert reference in on_esim(shop, esim.iccid)
        (second,) = await services.esims_of(new, buyer)
        assert second.iccid != esim.iccid
    assert shop.charges == 3


async def test_a_lost_top_up_that_was_not_reassigned_after_all_is_not_bought_again(
    shop: Shop,
) -> None:
    """The provider says that the plan doesn't fit the eSIM, then puts it there, and the answer is lost."""
    buyer = await shop.session("b@example.com")
    fitting, _ = incompatible_plans(shop)
    async with platform(shop, purchase_wait=0.1, settling=0.2) as services:
        plan = await services.plan(fitting)
        first = await services.buy(buyer, plan_id=plan.id)
        await reaches(shop, first.id, "COMPLETED")
        (esim,) = await services.esims_of(first, buyer)
        unfit = {"status": 200, "body": {"compatible": False}, "count": 0}
        await shop.fault(method="GET", path="/esims/*/compatible/*", **unfit)
        await shop.fault(method="POST", path="/orders", drop=True, effect="done")
        order = await services.buy(buyer, plan_id=plan.id, esim_id=esim.id, allow_reassign=True)
        await reaches(shop, order.id, "COMPLETED")
        row = await shop.row(order.id)
    assert row["provider_reference"] in on_esim(shop, esim.iccid)
    assert (row["needs_new_esim"], row["reassigned"]) == (True, False)
    assert shop.charges == 2


async def test_a_callback_that_names_another_esim_does_not_stop_a_top_up(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    fitting, _ = incompatible_plans(shop)
    async with platform(shop, purchase_wait=0.1) as services:
        plan = await services.plan(fitting)
        first = await services.buy(buyer, plan_id=plan.id)
        await reaches(shop, first.id, "COMPLETED")
        (esim,) = await services.esims_of(first, buyer)
        shop.sandbox.world.switches.async_above = 0
        shop.sandbox.world.switches.async_seconds = 3600
        order = await services.buy(buyer, plan_id=plan.id, esim_id=esim.id)
        await shop.databases.until(
            "select recovery_point = 'PLACED' from orders.esim_orders where id = $1::text::uuid",
            order.id,
        )
        await _delivered(services, shop, order.id)
        await shop.control("clock/advance", hours=1)
        await reaches(shop, order.id, "COMPLETED")
    assert shop.charges == 2


async def test_a_callback_reports_the_new_esim_of_a_plan_that_does_not_fit(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    fitting, other = incompatible_plans(shop)
    async with platform(shop, purchase_wait=0.1) as services:
        plan, foreign = await services.plan(fitting), await services.plan(other)
        first = await services.buy(buyer, plan_id=plan.id)
        await reaches(shop, first.id, "COMPLETED")
        (esim,) = await services.esims_of(first, buyer)
        shop.sandbox.world.switches.async_above = 0
        shop.sandbox.world.switches.async_seconds = 3600
        order = await services.buy(buyer, plan_id=foreign.id, esim_id=esim.id, allow_reassign=True)
        await shop.databases.until(
            "select recovery_point = 'PLACED' from orders.esim_orders where id = $1::text::uuid",
            order.id,
        )
        await _delivered(services, shop, order.id)
        await reaches(shop, order.id, "COMPLETED")
        (new,) = await services.esims_of(order, buyer)
        assert new.iccid == OTHER.iccid
        assert (await shop.row(order.id))["reassigned"]


async def test_a_plan_whose_name_has_a_slash_is_added_to_an_esim(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    fitting, _ = incompatible_plans(shop)
    bundle = next(b for b in shop.catalogue.bundles.values() if b.name == fitting)
    named = replace(bundle, name="esim_1GB/7D_V2")
    shop.sandbox.world.catalogue.put_on_sale(named.to_json(unlimited_mb=-1))
    async with platform(shop) as services:
        esim = await owned(services, buyer, named.name)
        order = await services.buy(buyer, plan_id=esim.plan_id, esim_id=esim.id)
        assert order.status == COMPLETED
        assert order.reference in on_esim(shop, esim.iccid)

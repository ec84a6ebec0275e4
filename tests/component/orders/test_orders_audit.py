"""Provider orders that match no order here are reported, and never adopted."""

import pytest

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop, request
from tests.fixtures.long_texts import EMOJI
from tests.fixtures.patience import until


async def test_a_purchase_made_outside_the_platform_is_reported_once(shop: Shop) -> None:
    operator = await shop.session("ops@example.com", admin=True)
    name = shop.catalogue.bundles[shop.plan_id].name
    line = {"type": "bundle", "item": name, "quantity": 3}
    async with shop.open(audit_every=0.2, settling=0.0, clock_tolerance=0.0) as orders:
        ours = await orders.CreateOrder(request(shop), metadata=await shop.session("b@example.com"))
        async with shop.http.post(
            f"{shop.sandbox.url}/orders",
            json={"type": "transaction", "assign": True, "order": [line]},
            headers={"X-API-Key": shop.settings.provider.api_key},
        ) as bought:
            reference = (await bought.json())["orderReference"]
        wanted = orders_pb2.ListUnexplainedProviderOrdersRequest()

        async def reported() -> bool:
            found = await orders.ListUnexplainedProviderOrders(wanted, metadata=operator)
            return bool(found.orders)

        await until(reported)
        found = await orders.ListUnexplainedProviderOrders(wanted, metadata=operator)
    assert [(o.reference, o.quantity, len(o.iccids)) for o in found.orders] == [(reference, 3, 3)]
    assert ours.order.reference != reference
    assert await shop.databases.admin.fetchval("select count(*) from orders.esim_orders") == 1


async def test_an_unreadable_row_is_reported_and_does_not_stop_the_comparison(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    other = {"type": "bundle", "item": "esim_elsewhere", "quantity": 1}
    good = {"orderReference": "past-us", "createdDate": "2026-11-20T10:00:00Z", "order": [other]}
    rows = [None, {"orderReference": "odd", "createdDate": "soon"}, good]
    await shop.fault(method="GET", path="/orders", status=200, body=rows, count=0)
    async with shop.open(audit_every=0.2, settling=0.0, clock_tolerance=0.0):
        unexplained = "select reference from orders.unexplained_orders"

        async def reported() -> bool:
            found = await shop.databases.admin.fetch(unexplained)
            return [row["reference"] for row in found] == ["past-us"] and "odd" in caplog.text

        await until(reported)
    assert "the provider's order odd can't be parsed, so it was not compared" in caplog.text
    assert "the provider's order without a reference can't be parsed" in caplog.text


async def test_an_order_that_cannot_be_recorded_hides_none_of_the_others(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    admin = shop.databases.admin
    await admin.execute(
        "alter table orders.unexplained_orders add check (reference <> 'refused')",
    )
    other = {"type": "bundle", "item": "esim_elsewhere", "quantity": 1}
    rows = [
        {"orderReference": reference, "createdDate": "2026-11-20T10:00:00Z", "order": [other]}
        for reference in (EMOJI, "refused", "past-us")
    ]
    await shop.fault(method="GET", path="/orders", status=200, body=rows, count=0)
    before = await admin.fetchval("select read_until from orders.provider_audits")
    async with shop.open(audit_every=0.2, settling=0.0, clock_tolerance=0.0):
        advanced = "select read_until > $1 from orders.provider_audits"

        async def audited() -> bool:
            return await admin.fetchval(advanced, before) and "refused" in caplog.text

        await until(audited)
    found = await admin.fetch("select reference from orders.unexplained_orders")
    assert [row["reference"] for row in found] == ["past-us"]
    for problem in (
        "order refused can't be parsed, so it was not compared: the database refused it",
        "order without a reference can't be parsed, so it was not compared",
    ):
        assert problem in caplog.text


async def test_an_order_whose_reference_is_listed_in_capitals_is_known(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with shop.open(audit_every=0.2, settling=0.0, clock_tolerance=0.0) as orders:
        order = (await orders.CreateOrder(request(shop), metadata=buyer)).order
        line = {"type": "bundle", "item": order.bundle_name, "quantity": 1}
        row = {"createdDate": "2026-11-20T10:00:00Z", "order": [line]}
        rows = [row | {"orderReference": name} for name in (order.reference.upper(), "past-us")]
        await shop.fault(method="GET", path="/orders", status=200, body=rows, count=0)
        await shop.databases.until("select exists (select from orders.unexplained_orders)")
    found = await shop.databases.admin.fetch("select reference from orders.unexplained_orders")
    assert [row["reference"] for row in found] == ["past-us"]

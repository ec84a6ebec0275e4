"""Orders of the provider that no order here explains are reported, and never adopted."""

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Shop, request, until


async def test_what_somebody_bought_past_the_platform_is_reported_once(shop: Shop) -> None:
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

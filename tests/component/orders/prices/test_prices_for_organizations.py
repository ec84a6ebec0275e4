"""Organizations whose currency the shop does not sell in, or only since later."""

from decimal import Decimal
from typing import Any

from kit.values import money
from protos.orders.v1 import batches_pb2, batches_pb2_grpc, orders_pb2, organizations_pb2
from services.orders.organizations.membership import MemberRole
from tests.component.orders.prices.price_lists import Seller
from tests.component.orders.real_peers import platform
from tests.component.orders.shop import Shop, orders_recorded
from tests.fixtures.organizations import create_organization
from tests.fixtures.rpc.refusals import failure_of, refused


async def test_an_organization_without_a_price_list_learns_who_can_help(shop: Shop) -> None:
    async with platform(shop) as running:
        acme = await create_organization(
            shop.auth,
            running.channel,
            roles=[MemberRole.OWNER],
            currency="EUR",
            billing=organizations_pb2.BILLING_INVOICE,
            credit_limit=money.to_proto(Decimal(1_000), "EUR"),
        )
        owner = acme.owner.metadata
        plan = await running.plan(shop.catalogue.bundles[shop.plan_id].name)
        batches = batches_pb2_grpc.BatchesServiceStub(running.channel)
        batch = batches_pb2.BatchInput(
            organization_id=acme.id, items=[batches_pb2.BatchItemInput(plan_id=plan.id)]
        )

        def buy(currency: str = "") -> Any:
            wanted = {"plan_id": plan.id, "organization_id": acme.id, "currency": currency}
            return running.buy(owner, **wanted)

        def validate() -> Any:
            request = batches_pb2.ValidateBatchRequest(batch=batch)
            return batches.ValidateBatch(request, metadata=owner)

        def create() -> Any:
            request = batches_pb2.CreateBatchRequest(batch=batch, idempotency_key="key")
            return batches.CreateBatch(request, metadata=owner)

        for call in (buy(), buy("EUR"), validate(), create()):
            failure = await failure_of(call)
            assert failure.reason == "ORGANIZATION_WITHOUT_PRICES"
            assert not failure.fields
            assert failure.message == (
                "The shop has no prices in EUR, in which this organization buys, so nothing was bought. Ask"
                " the shop to add a price list in EUR, or to create the organization in another currency"
            )
        assert await refused(buy("USD")) == "ORGANIZATION_CURRENCY"
        # For themselves, members learn which currencies there are.
        own = await failure_of(running.buy(owner, plan_id=plan.id, currency="EUR"))
        assert (own.reason, list(own.fields)) == ("UNKNOWN_CURRENCY", ["currency"])
        assert await orders_recorded(shop) == shop.charges == 0
        seller = await Seller.open(running)
        assert (await validate()).total.currency_code == "EUR"
        order = await buy()
        assert order.status == orders_pb2.ORDER_STATUS_COMPLETED
        assert order.total_price.currency_code == "EUR"
        assert order.unit_price == (await seller.shown("EUR")).price

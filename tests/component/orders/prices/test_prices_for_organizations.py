"""Organizations whose currency the shop does not sell in, or only since later."""

from decimal import Decimal
from typing import Any

from kit.values import money
from protos.orders.v1 import (
    batches_pb2,
    batches_pb2_grpc,
    orders_pb2,
    orders_pb2_grpc,
    organizations_pb2,
    payments_pb2,
    payments_pb2_grpc,
)
from services.orders.organizations.membership import MemberRole
from tests.component.orders.coupons.coupon_shop import list_price
from tests.component.orders.prices.price_lists import Seller
from tests.component.orders.real_peers import platform
from tests.component.orders.shop import Metadata, Shop, orders_recorded, request
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


async def test_a_quote_for_an_organization_is_what_its_purchase_charges(shop: Shop) -> None:
    # The price has three decimal places, and an order that is paid here two. Customers pay elsewhere.
    list_price(shop, "5.115", currency="KWD")
    async with shop.channel() as channel:
        orders = orders_pb2_grpc.OrdersServiceStub(channel)
        acme = await create_organization(shop.auth, channel, currency="KWD")
        wallet = payments_pb2.CorrectWalletRequest(
            organization_id=acme.id,
            amount=money.to_proto(Decimal(100), "KWD"),
            note="bank transfer",
            idempotency_key="transfer",
            received=True,
        )
        payments = payments_pb2_grpc.PaymentsServiceStub(channel)
        await payments.CorrectWallet(wallet, metadata=shop.service_key)

        def quote(who: Metadata, **fields: str) -> Any:
            wanted = orders_pb2.QuoteOrderRequest(
                plan_id=shop.plan_id, quantity=1, **({"organization_id": acme.id} | fields)
            )
            return orders.QuoteOrder(wanted, metadata=who)

        def total(amount: str) -> Any:
            return money.to_proto(Decimal(amount), "KWD")

        buyer = acme.buyer.metadata
        assert (await quote(buyer)).total == total("5.12")
        bought = await orders.CreateOrder(
            request(shop, organization_id=acme.id), metadata=acme.buyer.metadata
        )
        assert bought.order.total_price == total("5.12")
        assert (await quote(buyer, organization_id="")).total == total("5.115")
        assert await refused(quote(buyer, currency="EUR")) == "ORGANIZATION_CURRENCY"
        finance, stranger = acme.finance.metadata, await shop.session("eve@example.com")
        assert await refused(quote(finance)) == "MEMBER_ROLE_INSUFFICIENT"
        assert await refused(quote(stranger)) == "ORGANIZATION_NOT_FOUND"
        assert await refused(quote(shop.service_key)) == "ORGANIZATION_NOT_FOUND"
        suspending = organizations_pb2.SuspendOrganizationRequest(organization_id=acme.id)
        await acme.service.SuspendOrganization(suspending, metadata=shop.service_key)
        assert await refused(quote(buyer)) == "ORGANIZATION_SUSPENDED"

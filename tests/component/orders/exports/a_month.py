"""The shop of "The accountant's month" in docs/analytics.md, in September and October 2026."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from protos.orders.v1 import orders_pb2_grpc, payments_pb2, payments_pb2_grpc
from protos.orders.v1 import organizations_pb2 as organizations
from services.orders.__main__ import serve
from services.orders.books.movements import Movements
from services.orders.payments.stripe.adapter import Stripe
from services.orders.payments.stripe.api import API
from tests.component.orders.coupons.coupon_shop import list_price
from tests.component.orders.payments.paid_shop import REQUIRED, WALLET, Open, PaidShop, buyer_id
from tests.component.orders.refunds.bought import bought, settled, usd, wanted
from tests.component.orders.shop import patient_channel, reaches, request
from tests.fixtures.organizations import create_organization

PLAN = "esim_1GB_7D_GB_V2"
# What was posted up to a number happened on 28 September, the other purchases on 5 October, and refunds and
# fees on 20 October. Times of one day keep their distances.
POSTED = """
update orders.ledger_transactions set at = at - (select min(at) from orders.ledger_transactions) + case
    when n <= $1 then timestamptz '2026-09-28 12:00Z'
    when kind in ('REFUND', 'FEE') then timestamptz '2026-10-20 12:00Z'
    else timestamptz '2026-10-05 12:00Z' end
"""
CREATED = """
update orders.esim_orders set created_at = case
    when id = $1::text::uuid then timestamptz '2026-09-28 12:00Z' else timestamptz '2026-10-05 12:00Z' end
"""


@dataclass
class Month:
    """A running service whose books have the month; `environment` is that of `./esimgo`."""

    shop: PaidShop
    environment: dict[str, str]

    @property
    def admin(self) -> Any:
        return self.shop.shop.databases.admin


@asynccontextmanager
async def a_month(shop: PaidShop) -> AsyncIterator[Month]:
    """Let everything happen that the page names, and date it back."""
    list_price(shop.shop, "11.90", currency="USD", tax_rate="0.19", tax_country="DE")
    settings = replace(shop.shop.settings, payments=REQUIRED, stripe=shop.stripe)
    async with (
        shop.shop.serving(serve, settings) as port,
        patient_channel(port) as channel,
    ):
        service = Open(
            orders_pb2_grpc.OrdersServiceStub(channel),
            payments_pb2_grpc.PaymentsServiceStub(channel),
            channel,
        )
        await _date(shop, *await _happen(shop, service))
        auth = shop.shop.auth
        yield Month(
            shop,
            {
                "SUPABASE_URL": auth.url,
                "SUPABASE_SERVICE_ROLE_KEY": auth.service_role_key,
                "ORDERS_ADDRESS": f"127.0.0.1:{port}",
                "ESIMGO_TOKEN": await auth.token("finance@example.com", role="finance"),
            },
        )


async def _happen(shop: PaidShop, service: Open) -> tuple[str, int]:
    """Buy and refund; return the order of September, and the last number of its ledger transactions."""
    admin, key = shop.shop.databases.admin, shop.shop.service_key
    plan = next(id_ for id_, bundle in shop.shop.catalogue.bundles.items() if bundle.name == PLAN)
    buyer, _ = await buyer_id(shop)
    of_september = await bought(shop, service, buyer, plan_id=plan)
    await _read_fees(shop)
    last = await admin.fetchval("select max(n) from orders.ledger_transactions")

    await bought(shop, service, buyer, plan_id=plan)
    two = await bought(shop, service, buyer, plan_id=plan, quantity=2)
    top_up = payments_pb2.TopUpWalletRequest(amount=usd("50"), idempotency_key="top-up")
    payment = (await service.payments.TopUpWallet(top_up, metadata=buyer)).payment
    intent = await admin.fetchval(
        "select intent_id from orders.payments where id = $1::text::uuid", payment.id
    )
    await shop.pay(intent)
    await admin.execute(
        "update orders.payments set run = null, next_run_at = now() where id = $1::text::uuid",
        payment.id,
    )
    await shop.shop.databases.until(
        "select state = 'CAPTURED' from orders.payments where id = $1::text::uuid", payment.id
    )
    by_wallet = shop.request(WALLET, idempotency_key="wallet", plan_id=plan)
    order = (await service.orders.CreateOrder(by_wallet, metadata=buyer)).order
    await shop.reaches(order.id, "COMPLETED")
    acme = await create_organization(
        shop.shop.auth,
        service.channel,
        currency="USD",
        billing=organizations.BILLING_INVOICE,
        credit_limit=usd("1000"),
    )
    on_account = request(
        shop.shop, idempotency_key="acme", organization_id=acme.id, plan_id=plan, quantity=3
    )
    order = (await service.orders.CreateOrder(on_account, metadata=acme.buyer.metadata)).order
    await reaches(shop.shop, order.id, "COMPLETED")
    await service.payments.RefundOrder(wanted(two.id, "7"), metadata=key)
    await service.payments.RefundOrder(wanted(of_september.id), metadata=key)
    await settled(shop)
    await shop.shop.databases.until("select not exists (select from orders.unposted_orders)")
    await _read_fees(shop)
    return of_september.id, last


async def _read_fees(shop: PaidShop) -> None:
    """Record the payment provider's balance, as the hourly job does."""
    port = Stripe(API(shop.shop.http, shop.stripe), shop.stripe)
    async with shop.shop.databases.open("orders") as database:
        since = await shop.shop.databases.admin.fetchval("select since from orders.books")
        await Movements(database, port).read(port, since)


async def _date(shop: PaidShop, of_september: str, last: int) -> None:
    """Date back what happened, and record its sales again."""
    admin = shop.shop.databases.admin
    await admin.execute("set session_replication_role = replica")
    await admin.execute(POSTED, last)
    await admin.execute(CREATED, of_september)
    await admin.execute(
        "truncate orders.sales_facts, orders.sales_dimensions, orders.sales_by_day, orders.area_sales"
    )
    await admin.execute("reset session_replication_role")
    await admin.execute(
        "select orders.record_ledger_sales(array_agg(id)) from orders.ledger_transactions"
    )

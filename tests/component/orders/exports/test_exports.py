"""What exports contain, who gets them, and requests that are refused."""

import logging
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from kit.rpc.errors import from_error
from kit.values import money
from protos.common.v1 import days_pb2
from protos.orders.v1 import exports_pb2 as pb
from protos.orders.v1 import exports_pb2_grpc
from services.orders.organizations.membership import Billing, MemberRole
from services.orders.organizations.messages import BILLINGS
from tests.component.orders.budgets.buying_for import company
from tests.component.orders.coupons.coupon_shop import of
from tests.component.orders.exports.exporting import (
    ALWAYS,
    REQUESTS,
    Exporting,
    amount,
    exporting,
    session,
)
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.reports.reporting import in_euros, reporting
from tests.component.orders.shop import Shop, request
from tests.fixtures.organizations import create_organization
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth

# What only the shop may know of an order.
COSTS = ("disputes", "cost", "converted_cost", "fees", "exchange_rate", "price_list")
POST = """
with t as (
    insert into orders.ledger_transactions (kind, key, actor, at)
    values ('TEST', 'test:' || $1::text, 'test', $1::timestamptz) returning id
)
insert into orders.ledger_entries (transaction_id, n, account, amount, currency)
select t.id, e.n, 'losses', e.amount, 'EUR' from t, (values (1, 0.01), (2, -0.01)) e(n, amount)
"""


async def refusal(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return from_error(refused.value)


async def test_an_order_has_its_price_plan_and_cost(shop: Shop) -> None:
    in_euros(shop)
    async with reporting(shop) as shown:
        order = await shown.buy(quantity=2, customer_reference="my own words")
        exported = Exporting(exports_pb2_grpc.ExportsServiceStub(shown.channel), shown.finance)
        [row] = await exported.rows("Orders")
        facts = await exported.rows("Sales")
        [customer] = await exported.rows("Customers")
        await shown.force("update orders.esim_orders set customer_id = $1", UUID(int=0))
        [erased] = await exported.rows("Orders")
    stored = await shop.row(order.id)
    bundle = shop.catalogue.bundles[order.plan_id]
    assert (row.id, row.status, row.source) == (order.id, "COMPLETED", "SHOP")
    assert row.created_at == order.created_at
    assert (row.plan_id, row.bundle_name) == (order.plan_id, bundle.name)
    assert (list(row.countries), row.region, row.quantity) == (["FR"], "Europe", 2)
    assert amount(row.unit_price) == (Decimal("11.9"), "EUR")
    assert amount(row.total_price) == (Decimal("23.8"), "EUR")
    assert amount(row.tax) == (Decimal("3.8"), "EUR")
    assert (row.tax_rate, row.tax_country, row.price_includes_tax) == ("19", "DE", True)
    assert amount(row.discount) == amount(row.refunds) == amount(row.fees) == (Decimal(0), "EUR")
    cost = money.plain(round(stored["charged_cost"], 2))
    assert amount(row.cost) == (cost, "USD")
    assert amount(row.converted_cost) == (money.plain(round(cost * Decimal("0.9"), 2)), "EUR")
    assert row.exchange_rate == "0.9"
    assert row.created_day == row.created_at.ToDatetime(UTC).date().isoformat()
    assert {row.sold_day} == {fact.day for fact in facts}
    assert (row.payment_id, row.paid_by) == ("", "")
    assert not row.HasField("captured")
    # It is a reference of a person, not of an organization.
    assert row.customer_reference == ""
    assert erased.customer_id == ""
    assert {fact.kind for fact in facts} == {"SALE", "TAX", "COST"}
    assert sum(fact.orders for fact in facts) == 1
    assert (customer.customer_id, customer.orders, customer.esims) == (row.customer_id, 1, 2)
    assert amount(customer.net) == (Decimal(20), "EUR")
    assert amount(customer.margin) == (
        money.plain(20 - money.from_proto(row.converted_cost)),
        "EUR",
    )


async def test_no_export_has_a_secret(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    buyer = await shop.session("buyer@example.com")
    async with paid_shop.open() as service:
        order_id, intent = await paid_shop.bought(service, buyer, idempotency_key="secret-key")
        await paid_shop.pay(intent)
        await paid_shop.due(order_id)
        await paid_shop.becomes(order_id, "CAPTURED")
        finance = await shop.session("finance@example.com", role="finance")
        exported = Exporting(exports_pb2_grpc.ExportsServiceStub(service.channel), finance)
        [row] = await exported.rows("Orders")
        sent = b"".join(
            [m.SerializeToString() for kind in REQUESTS for m in await exported.messages(kind)]
        )
    assert (row.payment_method, row.payment_state) == ("CARD", "CAPTURED")
    assert row.captured == row.total_price
    assert row.id.encode() in sent
    esims = await shop.databases.admin.fetch("select * from orders.order_esims")
    paid = await paid_shop.payment(order_id)
    details = await paid_shop.intent(intent)
    secrets = {
        "secret-key",
        intent,
        details["client_secret"],
        *(paid[name] for name in ("session_id", "charge_id", "card_fingerprint", "client_address")),
        *(e[name] for e in esims for name in ("matching_id", "smdp_address")),
    } - {None, ""}
    assert len(secrets) >= 5
    assert not [secret for secret in secrets if str(secret).encode() in sent]


async def test_an_organization_exports_its_own_orders_without_costs(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    in_euros(shop)
    async with company(shop) as acme:
        own = await acme.buy(acme.acme.buyer, "own", customer_reference="PO 1")
        rival = await create_organization(
            shop.auth,
            acme.channel,
            "Rival",
            billing=BILLINGS[Billing.INVOICE],
            credit_limit=of("1000"),
        )
        others = [
            (await acme.orders.CreateOrder(wanted, metadata=who)).order.id
            for wanted, who in (
                (request(shop, idempotency_key="a"), acme.acme.owner.metadata),
                (
                    request(shop, idempotency_key="b", organization_id=rival.id),
                    rival.buyer.metadata,
                ),
            )
        ]
        staff = await session(shop.auth, "finance@example.com", "finance")
        exported = Exporting(exports_pb2_grpc.ExportsServiceStub(acme.channel), staff)
        await shop.databases.until("select not exists (select from orders.unposted_orders)")
        for who in (acme.acme.owner, acme.acme.manager, acme.acme.finance):
            [row] = await exported.rows("Orders", who.metadata, organization_id=acme.acme.id)
            assert (row.id, row.customer_reference) == (own.id, "PO 1")
            assert (row.organization_id, row.organization_name) == (acme.acme.id, "Acme")
            assert not [name for name, _ in _set(row) if name in COSTS]
            assert f"of organization {acme.acme.id} by {who.user_id}: 1 rows, done" in caplog.text
        for who in (acme.acme.buyer, acme.acme.traveler):
            failed = await refusal(
                exported.rows("Orders", who.metadata, organization_id=acme.acme.id)
            )
            assert failed.reason == "MEMBER_ROLE_INSUFFICIENT"
        stranger = rival.members[MemberRole.OWNER].metadata
        failed = await refusal(exported.rows("Orders", stranger, organization_id=acme.acme.id))
        assert failed.reason == "ORGANIZATION_NOT_FOUND"
        failed = await refusal(exported.rows("Orders", acme.acme.owner.metadata))
        assert failed.reason == "FORBIDDEN"
        # The shop's own staff sees the cost, and all orders.
        [row] = await exported.rows("Orders", organization_id=acme.acme.id)
        assert {"cost", "converted_cost", "exchange_rate"} <= {name for name, _ in _set(row)}
        assert {row.id for row in await exported.rows("Orders")} == {own.id, *others}
        assert "ExportOrders by finance staff" in caplog.text


async def test_sales_are_exported_in_a_zone_that_is_over_a_day_apart(shop: Shop) -> None:
    async with reporting(shop) as shown:
        await shown.buy()
        # In the zone that is summed it is 0:30 on December 1st, and in American Samoa 23:30 on November 29th.
        moment = datetime(2026, 11, 30, 10, 30, tzinfo=UTC)
        await shown.force("update orders.sales_facts set at = $1, sold_at = $1", moment)
        await shown.force("update orders.sales_zones set time_zone = 'Pacific/Kiritimati'")
        await shown.force("update orders.sales_by_day set time_zone = 'Pacific/Kiritimati'")
        await shown.force("update orders.sales_by_day set day = $1", date(2026, 12, 1))
        exported = Exporting(exports_pb2_grpc.ExportsServiceStub(shown.channel), shown.finance)
        rows = await exported.rows("Sales", time_zone="Pacific/Pago_Pago")
    assert {row.day for row in rows} == {"2026-11-29"}


async def test_only_the_shop_sees_that_its_balance_was_too_low(shop: Shop) -> None:
    in_euros(shop)
    async with company(shop) as acme:
        await acme.buy(acme.acme.buyer, "own")
        staff = await session(shop.auth, "finance@example.com", "finance")
        exported = Exporting(exports_pb2_grpc.ExportsServiceStub(acme.channel), staff)
        admin = shop.databases.admin
        await admin.execute("set session_replication_role = replica")
        await admin.execute(
            "update orders.esim_orders set status = 'FAILED', failure_reason = 'INSUFFICIENT_BALANCE',"
            " provider_reference = null, recovery_point = 'ATTEMPTED'"
        )
        await admin.execute("reset session_replication_role")
        id_, owner = acme.acme.id, acme.acme.owner.metadata
        [row] = await exported.rows("Orders", owner, organization_id=id_)
        assert row.failure_reason == "NOT_SOLD_NOW"
        [row] = await exported.rows("Orders", organization_id=id_)
        assert row.failure_reason == "INSUFFICIENT_BALANCE"


def _set(row: pb.OrderRow) -> list[tuple[str, Any]]:
    return [(field.name, value) for field, value in row.ListFields()]


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("role", [None, "support"])
async def test_others_get_nothing(
    kind: str, role: str | None, databases: Databases, auth: Auth
) -> None:
    async with exporting(databases, auth) as exported:
        who = await session(auth, "ann@example.com", role)
        assert (await refusal(exported.rows(kind, who))).reason == "FORBIDDEN"


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"range": None}, "range.from", "must be a day such as 2026-11-01"),
    (
        {"range": days_pb2.DayRange(from_day="2026-11-02", to_day="2026-11-01")},
        "range.to",
        "must not be before",
    ),
    (
        {"range": days_pb2.DayRange(from_day="2026-02-30", to_day="2026-11-01")},
        "range.from",
        "must be a day",
    ),
    ({"time_zone": "Europe/Berlim"}, "time_zone", "did you mean Europe/Berlin"),
    # Python finds a file of this name on some computers.
    ({"time_zone": "localtime"}, "time_zone", "must be an IANA time zone"),
]


@pytest.mark.parametrize(("fields", "field", "text"), BAD)
@pytest.mark.parametrize("kind", ["Orders", "Sales", "Ledger"])
async def test_bad_requests_say_what_would_work(
    kind: str,
    fields: dict[str, Any],
    field: str,
    text: str,
    databases: Databases,
    auth: Auth,
) -> None:
    async with exporting(databases, auth) as exported:
        failed = await refusal(exported.rows(kind, **fields))
        assert failed.kind.name == "INVALID"
        assert text in failed.fields[field]


async def test_customers_need_no_range_and_an_unknown_organization_is_not_found(
    databases: Databases, auth: Auth
) -> None:
    async with exporting(databases, auth) as exported:
        assert await exported.rows("Customers", range=None) == []
        failed = await refusal(exported.rows("Orders", organization_id=str(uuid4())))
        assert failed.reason == "ORGANIZATION_NOT_FOUND"
        failed = await refusal(exported.rows("Orders", organization_id="acme"))
        assert "must be a UUID" in failed.fields["organization_id"]


async def test_days_begin_at_midnight_in_the_time_zone(databases: Databases, auth: Auth) -> None:
    # In Havana, the hour after midnight happens twice on this day.
    day = days_pb2.DayRange(from_day="2026-11-01", to_day="2026-11-01")
    moments = [
        "2026-11-01T03:59:59Z",
        "2026-11-01T04:00:00Z",
        "2026-11-01T05:30:00Z",
        "2026-11-02T04:59:59Z",
        "2026-11-02T05:00:00Z",
    ]
    for moment in moments:
        await databases.admin.execute(
            POST.replace("$1::text", f"'{moment}'").replace("$1", f"'{moment}'")
        )
    async with exporting(databases, auth) as exported:
        messages = await exported.messages("Ledger", range=day, time_zone="America/Havana")
        assert messages[0].head.time_zone == "America/Havana"
        rows = [row for message in messages for row in message.rows]
        assert [row.act for row in rows[::2]] == [f"test:{moment}" for moment in moments[1:4]]
        assert {row.day for row in rows} == {"2026-11-01"}
        assert len(await exported.rows("Ledger", range=ALWAYS)) == 2 * len(moments)

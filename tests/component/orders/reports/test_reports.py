"""Reports over gRPC: groups, comparisons, access, bad input, and what later changes leave as it is."""

from decimal import Decimal
from typing import Any

import grpc
import pytest

from protos.catalogue.v1 import prices_pb2
from protos.common.v1 import days_pb2
from protos.orders.v1 import reports_pb2 as pb
from protos.orders.v1 import reports_pb2_grpc
from tests.component.orders.budgets.buying_for import company
from tests.component.orders.reports.reporting import amount, in_euros, reporting, today
from tests.component.orders.shop import Shop
from tests.fixtures.rpc.refusals import reason_of

AREA, PLAN, CURRENCY = (
    pb.SALES_DIMENSION_AREA,
    pb.SALES_DIMENSION_PLAN,
    pb.SALES_DIMENSION_CURRENCY,
)


async def test_figures_of_a_day_are_converted_by_the_rate_of_each_order(shop: Shop) -> None:
    in_euros(shop)
    async with reporting(shop) as shown:
        order = await shown.buy(quantity=2)
        cost = await shop.databases.admin.fetchval(
            "select round(charged_cost * 0.9, 2) from orders.esim_orders"
        )
        report = await shown.sales(currency="EUR", group_by=[AREA, PLAN])
        [row] = report.rows
        figures = row.figures
        assert (figures.orders, figures.esims) == (1, 2)
        assert amount(figures.gross) == Decimal("23.8")
        assert amount(figures.tax) == Decimal("3.8")
        assert amount(figures.net) == 20
        assert amount(figures.cost) == cost
        assert amount(figures.margin) == 20 - cost
        assert figures.margin_percent == pytest.approx(float((20 - cost) * 5), abs=0.01)
        assert not figures.unconverted_facts
        bundle = shop.catalogue.bundles[order.plan_id].name
        assert [(g.value, g.label) for g in row.groups] == [("FR", "FR"), (order.plan_id, bundle)]
        assert report.totals[0].figures == figures
        assert (report.time_zone, report.truncated, report.complete) == ("UTC", False, True)
        # A currency without a rate: the amounts are counted, but not summed.
        other = (await shown.sales(currency="JPY")).totals[0].figures
        assert amount(other.gross) == 0
        assert (other.unconverted_facts, other.orders) == (3, 1)


async def test_amounts_in_several_currencies_need_a_choice(shop: Shop) -> None:
    in_euros(shop)
    async with reporting(shop) as shown:
        await shown.buy()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await shown.sales()
        assert reason_of(refused.value) == "CURRENCY_NEEDED"
        assert "EUR, USD" in str(refused.value.details())
        report = await shown.sales(group_by=[CURRENCY])
    assert [row.groups[0].value for row in report.rows] == ["EUR", "EUR"]
    totals = {one.figures.gross.currency_code: one.figures for one in report.totals}
    assert amount(totals["EUR"].gross) == Decimal("11.9")
    assert amount(totals["EUR"].cost) == 0
    assert amount(totals["USD"].cost) > 0


async def test_a_refund_counts_on_its_own_day_or_on_that_of_the_sale(shop: Shop) -> None:
    async with reporting(shop) as shown:
        await shown.buy_and_refund(days=5)
        now = (await shown.sales()).totals[0].figures
        assert amount(now.gross) == 0
        assert amount(now.refunds) > 0
        assert amount(now.net) == -amount(now.refunds)
        assert amount(now.margin) == amount(now.net) - amount(now.cost)
        sold = (await shown.sales(as_sold_on=True)).totals[0].figures
        assert sold.orders == 0
        assert amount(sold.refunds) == 0
        day = await shop.databases.admin.fetchval(
            "select min(at at time zone 'UTC')::date::text from orders.sales_facts"
        )
        range_ = days_pb2.DayRange(from_day=day, to_day=day)
        whole = (await shown.sales(range=range_, as_sold_on=True)).totals[0].figures
        assert whole.orders == 1
        assert amount(whole.net) == amount(whole.margin) == 0
        own = (await shown.sales(range=range_)).totals[0].figures
        assert amount(own.gross) == amount(now.refunds)


async def test_later_changes_of_prices_names_and_rates_change_no_report(shop: Shop) -> None:
    in_euros(shop)
    async with reporting(shop) as shown:
        await shown.buy()
        asked: dict[str, Any] = {"currency": "USD", "group_by": [AREA, PLAN, CURRENCY]}
        before = await shown.sales(**asked)
        in_euros(shop, "99", "0.5")
        changed = shop.catalogue.adjust

        def renamed(answer: prices_pb2.QuotePlanResponse) -> None:
            changed(answer)
            answer.plan.name = "another_name"
            answer.plan.region = "Africa"
            del answer.plan.countries[:]

        shop.catalogue.adjust = renamed
        after = await shown.sales(**asked)
        assert list(after.rows) == list(before.rows)
        assert list(after.totals) == list(before.totals)


async def test_groups_beyond_the_first_are_summed_so_that_columns_add_up(shop: Shop) -> None:
    by_price = {bundle.price: id_ for id_, bundle in shop.catalogue.bundles.items()}
    names = [by_price[price] for price in sorted(by_price, reverse=True)[-3:]]
    async with reporting(shop) as shown:
        for plan_id in names:
            await shown.buy(plan_id=plan_id)
        whole = await shown.sales(group_by=[PLAN])
        assert len(whole.rows) == 3
        assert [row.groups[0].value for row in whole.rows] == names
        cut = await shown.sales(group_by=[PLAN], first=1)
        assert [row.other for row in cut.rows] == [False, True]
        assert cut.truncated
        assert sum(amount(row.figures.gross) for row in cut.rows) == amount(
            cut.totals[0].figures.gross
        )
        assert cut.totals == whole.totals
        named = await shown.sales(
            group_by=[PLAN], order_by=pb.SALES_FIELD_NAME, ascending=True, first=3
        )
        assert {row.groups[0].value for row in named.rows} == set(names)
        labels = [row.groups[0].label for row in named.rows]
        assert labels == sorted(labels)
        only = await shown.sales(filter=pb.SalesFilter(plans=[names[0]]))
        assert only.totals[0].figures.orders == 1
        by_name = pb.SalesFilter(plans=[whole.rows[0].groups[0].label])
        assert (await shown.sales(filter=by_name)).totals == only.totals
        compared = await shown.sales(
            group_by=[PLAN], compare_to=pb.COMPARISON_YEAR_BEFORE, interval=days_pb2.INTERVAL_RANGE
        )
        assert all(row.HasField("previous") for row in compared.rows)
        assert amount(compared.totals[0].previous.gross) == 0
        assert compared.previous_range.from_day < today().from_day


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (
        {"range": days_pb2.DayRange(from_day="2026-02-01", to_day="2026-01-31")},
        "INVALID_ARGUMENT",
        "range.to",
    ),
    (
        {"range": days_pb2.DayRange(from_day="2026-02-30", to_day="2026-03-01")},
        "INVALID_ARGUMENT",
        "range.from",
    ),
    (
        {"range": days_pb2.DayRange(from_day="2026-W05-1", to_day="")},
        "INVALID_ARGUMENT",
        "range.to",
    ),
    (
        {"range": days_pb2.DayRange(from_day="0001-01-01", to_day="9999-12-31")},
        "INVALID_ARGUMENT",
        "2999",
    ),
    ({"time_zone": "Europe/Berlni"}, "INVALID_ARGUMENT", "Europe/Berlin"),
    ({"time_zone": "\x00"}, "INVALID_ARGUMENT", "time_zone"),
    ({"currency": "euro"}, "INVALID_ARGUMENT", "EUR"),
    ({"group_by": [AREA, AREA]}, "INVALID_ARGUMENT", "twice"),
    ({"group_by": [AREA, pb.SALES_DIMENSION_COUNTRY]}, "INVALID_ARGUMENT", "REGION and COUNTRY"),
    ({"group_by": [1, 4, 5, 6]}, "INVALID_ARGUMENT", "at most 3"),
    (
        {"filter": pb.SalesFilter(sources=[pb.SALES_SOURCE_UNSPECIFIED])},
        "INVALID_ARGUMENT",
        "SHOP, API",
    ),
    ({"first": 1001}, "INVALID_ARGUMENT", "first"),
    ({"first": -1}, "INVALID_ARGUMENT", "first"),
    ({"filter": pb.SalesFilter(organization_ids=["x"])}, "INVALID_ARGUMENT", "organization_ids[0]"),
    ({"filter": pb.SalesFilter(currencies=["XXX"])}, "INVALID_ARGUMENT", "currencies[0]"),
    (
        {"range": days_pb2.DayRange(from_day="2024-01-01", to_day="2026-11-30")},
        "RANGE_TOO_LONG",
        "use the interval WEEK",
    ),
    (
        {"range": days_pb2.DayRange(from_day="2000-01-01", to_day="2999-12-31"), "interval": 3},
        "RANGE_TOO_LONG",
        "use the interval RANGE",
    ),
    (
        {
            "range": days_pb2.DayRange(from_day="2024-01-01", to_day="2026-11-30"),
            "interval": days_pb2.INTERVAL_MONTH,
            "time_zone": "Asia/Kolkata",
        },
        "RANGE_TOO_LONG",
        "at most 400 days",
    ),
]


async def test_bad_input_is_refused_with_what_would_work(shop: Shop) -> None:
    async with reporting(shop) as shown:
        for fields, reason, text in WRONG:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await shown.sales(**fields)
            assert (fields, reason_of(refused.value)) == (fields, reason)
            assert text in str(refused.value.details()), fields
        empty = await shown.sales(interval=days_pb2.INTERVAL_MONTH)
        assert len(empty.rows) == 1
        assert amount(empty.totals[0].figures.gross) == 0


MANY_FACTS = """
with places as (
    select md5('place' || n)::uuid as id, 'A' || n as area from generate_series(1, 30) n
),
dimensions as (
    insert into orders.sales_dimensions
    select p.id, null, '', p.area, null, '', null, null, false, null, '', 'SHOP', 'USD' from places p
)
insert into orders.sales_facts (
    transaction_id, n, at, sold_at, kind, amount, currency, order_id, orders, esims, dimension_id
)
select gen_random_uuid(), 1, at, at, 'SALE', 1, 'USD', gen_random_uuid(), 1, 1, p.id
from places p
cross join generate_series(
    '2025-01-01 12:00Z'::timestamptz, '2025-12-31 12:00Z', interval '1 day'
) at
"""


async def test_more_than_ten_thousand_rows_are_refused_however_many_are_compared(
    shop: Shop,
) -> None:
    async with reporting(shop) as shown:
        await shown.force(MANY_FACTS)
        wanted: dict[str, Any] = {"group_by": [AREA], "time_zone": "Asia/Kolkata"}
        year = days_pb2.DayRange(from_day="2025-01-01", to_day="2025-12-31")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await shown.sales(range=year, **wanted)
        assert reason_of(refused.value) == "TOO_MANY_ROWS"
        half = days_pb2.DayRange(from_day="2025-07-01", to_day="2025-12-31")
        report = await shown.sales(range=half, compare_to=pb.COMPARISON_PREVIOUS_PERIOD, **wanted)
    assert len(report.rows) == 184 * 30
    [total] = report.totals
    assert (total.figures.orders, total.previous.orders) == (184 * 30, 181 * 30)


async def test_only_the_finance_staff_sees_sales(shop: Shop) -> None:
    async with reporting(shop) as shown:
        for role in (None, "support"):
            shown.finance = await shop.session("someone@example.com", role=role)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await shown.sales()
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_organization_sees_only_its_own_spending(shop: Shop) -> None:
    async with company(shop, "CARD") as acme:
        reports: Any = reports_pb2_grpc.ReportsServiceStub(acme.channel)
        order = await acme.buy(acme.acme.buyer, "key")
        await shop.databases.until("select count(*) > 0 from orders.sales_facts")
        request = pb.GetSpendingRequest(
            organization_id=acme.acme.id, range=today(), group_by=[PLAN]
        )
        for member in (acme.acme.owner, acme.acme.manager, acme.acme.finance):
            answer = await reports.GetSpending(request, metadata=member.metadata)
            assert [row.groups[0].value for row in answer.rows] == [order.plan_id]
            assert (answer.totals.orders, amount(answer.totals.spent)) == (1, Decimal("310.05"))
        staff = await reports.GetSpending(request, metadata=shop.service_key)
        assert staff.totals == answer.totals
        for member in (acme.acme.buyer, acme.acme.traveler):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await reports.GetSpending(request, metadata=member.metadata)
            assert reason_of(refused.value) == "MEMBER_ROLE_INSUFFICIENT"
        stranger = await shop.session("stranger@example.com")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await reports.GetSpending(request, metadata=stranger)
        assert reason_of(refused.value) == "ORGANIZATION_NOT_FOUND"
        request.group_by[:] = [CURRENCY]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await reports.GetSpending(request, metadata=acme.acme.owner.metadata)
        assert "group_by[0]" in str(refused.value.details())

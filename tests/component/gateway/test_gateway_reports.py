"""Reports of sales as GraphQL shows them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases

# Its reports are of today.
pytestmark = pytest.mark.usefixtures("one_day")
SALES = """query($range: DateRange!, $interval: Interval, $by: [SalesDimension!], $currency: String) {
  salesReport(range: $range, interval: $interval, groupBy: $by, currency: $currency,
      compareTo: PREVIOUS_PERIOD, orderBy: {field: MARGIN}, filter: {sources: [SHOP]}) {
    timeZone asOf truncated complete previousRange { from to }
    totals { figures { currency orders gross net cost margin } previous { orders gross } }
    rows { period { from to } other groups { dimension value label }
      figures { orders esims gross tax refunds disputes net cost fees margin marginPercent inventoryValue
        unconvertedFacts currency } previous { gross } } } }"""
FUNNEL = """query($range: DateRange!, $filter: SalesFilter) { orderFunnel(range: $range, filter: $filter) {
    started { orders esims topUps } authorized { orders } bought { orders } delivered { orders esims topUps }
    installed { orders esims } used { orders esims } failed { orders } inProgress { orders }
    failures { reason orders } timeToDelivery { p50 p95 p99 } timeZone asOf progressAsOf } }"""
COHORTS = """query($range: DateRange!, $by: CohortBy, $measure: CohortMeasure, $currency: String) {
  cohorts(range: $range, by: $by, measure: $measure, currency: $currency) {
    cohorts { period { from to } customers
      cells { number period { from to } customers percent orders net currency } }
    timeZone asOf complete erasedOrders unconvertedFacts } }"""
SPENT = """query($id: ID!, $range: DateRange!) { spendingReport(organizationId: $id, range: $range) {
    totals { spent } rows { figures { gross } } } }"""


async def test_the_finance_staff_reads_sales(platform: Platform, databases: Databases) -> None:
    customer = await platform.customer("ann@example.com")
    await platform.buy(customer)
    await databases.until("select count(*) >= 2 from orders.sales_facts")
    finance = platform.client.signed_in(
        await platform.auth.token("fay@example.com", role="finance")
    )
    today = datetime.now(UTC).date()
    first = today - timedelta(days=2)
    asked: dict[str, Any] = {"range": {"from": first.isoformat(), "to": today.isoformat()}}
    report = (await finance.ask(SALES, **asked)).data["salesReport"]
    assert len(report["rows"]) == 3
    assert report["rows"][0]["figures"]["gross"] == "0"
    [total] = report["totals"]
    figures = total["figures"]
    assert figures["orders"] == 1
    assert Decimal(figures["gross"]) > 0
    assert Decimal(figures["net"]) - Decimal(figures["cost"]) == Decimal(figures["margin"])
    assert total["previous"] == {"orders": 0, "gross": "0"}
    assert report["previousRange"]["to"] == (first - timedelta(days=1)).isoformat()
    assert report["complete"]
    grouped = await finance.ask(
        SALES,
        **asked,
        interval="RANGE",
        by=["AREA", "PLAN", "SOURCE"],
        currency=figures["currency"],
    )
    [row] = grouped.data["salesReport"]["rows"]
    assert [group["dimension"] for group in row["groups"]] == ["AREA", "PLAN", "SOURCE"]
    assert row["groups"][2]["value"] == "SHOP"
    assert row["figures"]["gross"] == figures["gross"]
    assert row["period"] == asked["range"]

    refused = await finance.ask(SALES, range={"from": "2020-01-01", "to": "2026-01-01"})
    [error] = refused.body["errors"]
    assert error["extensions"]["reason"] == "RANGE_TOO_LONG"
    assert "use the interval WEEK" in error["extensions"]["fields"]["interval"]
    twice = await finance.ask(SALES, **asked, by=["PLAN", "PLAN"])
    assert "groupBy[1]" in twice.body["errors"][0]["extensions"]["fields"]
    denied = await customer.ask(SALES, **asked)
    assert denied.body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    missing = await customer.ask(SPENT, id="00000000-0000-4000-8000-000000000000", **asked)
    assert missing.body["errors"][0]["extensions"]["reason"] == "ORGANIZATION_NOT_FOUND"


async def test_the_finance_staff_reads_funnels_and_cohorts(
    platform: Platform, databases: Databases
) -> None:
    customer = await platform.customer("ann@example.com")
    order = await platform.buy(customer, quantity=2)
    await databases.until("select count(*) >= 2 from orders.sales_facts")
    iccid = order["esims"][0]["iccid"]
    await platform.provider.control("POST", f"/esims/{iccid}/use-data", {"megabytes": 10})
    await platform.provider.control("POST", "/clock/advance", {"seconds": 400})
    await customer.ask("{ myESIMs { usage { totalUsed } } }")  # reads them again
    await databases.until(
        "select count(*) = 1 from orders.esim_progress where first_used_at is not null"
    )
    finance = platform.client.signed_in(
        await platform.auth.token("fay@example.com", role="finance")
    )
    today = datetime.now(UTC).date().isoformat()
    asked: dict[str, Any] = {"range": {"from": today, "to": today}}
    funnel = (await finance.ask(FUNNEL, **asked)).data["orderFunnel"]
    assert funnel["started"] == funnel["delivered"] == {"orders": 1, "esims": 2, "topUps": 0}
    assert funnel["installed"] == funnel["used"] == {"orders": 1, "esims": 1}
    assert funnel["failed"] == funnel["inProgress"] == {"orders": 0}
    assert funnel["failures"] == []
    assert funnel["timeToDelivery"]["p50"] == funnel["timeToDelivery"]["p99"] > 0
    assert funnel["progressAsOf"] is not None
    none = await finance.ask(FUNNEL, **asked, filter={"sources": ["BATCH"]})
    assert none.data["orderFunnel"]["timeToDelivery"] is None

    report = (await finance.ask(COHORTS, **asked)).data["cohorts"]
    [cohort] = report["cohorts"]
    assert (cohort["customers"], cohort["period"]) == (1, asked["range"])
    [cell] = cohort["cells"]
    assert (cell["number"], cell["percent"], cell["orders"]) == (0, 100.0, 1)
    assert (cell["net"], cell["currency"]) == (None, None)
    revenue = await finance.ask(COHORTS, **asked, measure="REVENUE", by="FIRST_PURCHASE_WEEK")
    [cell] = revenue.data["cohorts"]["cohorts"][0]["cells"]
    sold = (await finance.ask(SALES, **asked)).data["salesReport"]["totals"][0]["figures"]
    assert (cell["net"], cell["currency"]) == (sold["net"], sold["currency"])

    years = {"from": "2020-01-01", "to": "2026-01-01"}
    options: dict[str, Any] = {"range": years}
    for query, by in ((FUNNEL, {}), (COHORTS, {"by": "FIRST_PURCHASE_WEEK"})):
        refused = await finance.ask(query, **(options | by))
        assert refused.body["errors"][0]["extensions"]["reason"] == "RANGE_TOO_LONG"
        denied = await customer.ask(query, **asked)
        assert denied.body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    useless = await finance.ask(COHORTS, **asked, currency="EUR")
    assert "currency" in useless.body["errors"][0]["extensions"]["fields"]

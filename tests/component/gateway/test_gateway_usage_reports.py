"""Reports of usage as GraphQL shows them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fixtures.patience import until
from tests.fixtures.platform import BUNDLE, Platform

USAGE = """query($range: DateRange!, $interval: Interval, $by: [UsageDimension!], $filter: UsageFilter) {
  usageReport(range: $range, interval: $interval, groupBy: $by, filter: $filter) {
    timeZone asOf recordedSince truncated
    totals { dataUsed bytesUsed coverage samples bundlesStarted }
    rows { period { from to } other groups { dimension value label }
      figures { dataUsed bytesUsed coverage samples widestGapSeconds bundlesStarted unlimitedStarted visits }
    } } }"""
EXPIRY = """query($range: DateRange!) { expiryReport(range: $range) { range { from to } timeZone asOf
    ended endedUnused endedUnlimited endedUnknown shares { fromPercent bundles } dataIncluded dataUsed
    delivered neverInstalled waiting atRisk } }"""
PLANS = f'{{ dataPlans(filter: {{text: "{BUNDLE}"}}) {{ id name }} }}'
OF_ORGANIZATION = """query($id: ID!, $range: DateRange!) {
  organizationUsage(organizationId: $id, range: $range) { totals { dataUsed } } }"""


async def test_the_support_staff_reads_usage(platform: Platform) -> None:
    customer = await platform.customer("ann@example.com")
    order = await platform.buy(customer)
    [esim] = order["esims"]
    await platform.provider.control(
        "POST", f"/esims/{esim['iccid']}/use-data", {"megabytes": 250, "country": "GB"}
    )
    seen = await customer.ask(
        "query($id: ID!) { esimDetails(id: $id) { usage { totalUsed } } }", id=esim["id"]
    )
    assert seen.data["esimDetails"]["usage"] == {"totalUsed": 250.0}
    support = platform.client.signed_in(
        await platform.auth.token("sue@example.com", role="support")
    )
    today = datetime.now(UTC).date()
    # Midnight may pass meanwhile.
    days = {"from": today.isoformat(), "to": (today + timedelta(days=1)).isoformat()}
    asked: dict[str, Any] = {"range": days, "interval": "RANGE"}

    async def counted() -> bool:
        report = (await support.ask(USAGE, **asked)).data["usageReport"]
        return bool(report["totals"]["samples"])

    await until(counted)
    report = (await support.ask(USAGE, **asked, by=["PLAN", "COUNTRY"])).data["usageReport"]
    assert report["totals"] == {
        "dataUsed": 250.0,
        "bytesUsed": "250000000",
        "coverage": 100.0,
        "samples": 1,
        "bundlesStarted": 1,
    }
    rows = [row for row in report["rows"] if row["figures"]["samples"]]
    assert [group["dimension"] for group in rows[0]["groups"]] == ["PLAN", "COUNTRY"]
    assert rows[0]["groups"][0]["label"] == BUNDLE
    plans = (await customer.ask(PLANS)).data["dataPlans"]
    assert rows[0]["groups"][0]["value"] in [one["id"] for one in plans if one["name"] == BUNDLE]
    assert rows[0]["period"] == days
    assert not report["truncated"]
    nothing = await support.ask(USAGE, **asked, filter={"plans": ["another"]})
    assert nothing.data["usageReport"]["totals"]["coverage"] is None

    expiry = (await support.ask(EXPIRY, range=days)).data["expiryReport"]
    assert (expiry["ended"], expiry["delivered"], expiry["waiting"]) == (0, 1, 0)
    assert len(expiry["shares"]) == 10

    refused = await support.ask(USAGE, range={"from": "2020-01-01", "to": "2026-01-01"})
    [error] = refused.body["errors"]
    assert error["extensions"]["reason"] == "RANGE_TOO_LONG"
    assert "use the interval WEEK" in error["extensions"]["fields"]["interval"]
    twice = await support.ask(USAGE, **asked, by=["PLAN", "PLAN"])
    assert "groupBy[1]" in twice.body["errors"][0]["extensions"]["fields"]
    for query in (USAGE, EXPIRY):
        denied = await customer.ask(query, range=days)
        assert denied.body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    missing = await customer.ask(
        OF_ORGANIZATION, id="00000000-0000-4000-8000-000000000000", range=days
    )
    assert missing.body["errors"][0]["extensions"]["reason"] == "ORGANIZATION_NOT_FOUND"

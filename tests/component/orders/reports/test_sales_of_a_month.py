"""The sales of a month, as `esimgo reports sales` reads them, in one and in several currencies."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from cli.operators.sales.month import Month, Reader
from cli.operators.service import Service
from protos.common.v1 import days_pb2
from protos.orders.v1 import reports_pb2 as pb
from services.orders.books import postings
from services.orders.books.postings import Moved
from tests.component.orders.reports.business import Sold, happen, plan_of, post
from tests.component.orders.reports.reporting import Reporting, amount, reporting
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import create_organization

FIRST = date(2026, 10, 1)


def sold(day: int, currency: str, total: int, *, month: int = 10, **changes: Any) -> Sold:
    wanted: dict[str, Any] = {
        "at": datetime(2026, month, day, 12, tzinfo=UTC),
        "currency": currency,
        "cost_currency": "USD",
        "total": Decimal(total),
        "tax_share": Decimal(0),
        "cost": Decimal(4),
        "rate": Decimal(100) if currency == "JPY" else Decimal("0.5"),
        "quantity": 1,
        "plan": 0,
        "countries": ["FR"],
        "region": "Europe",
        "days": 7,
        "coupon": "",
        "organization": None,
        "by_key": False,
        "in_batch": False,
    }
    return Sold(**wanted | changes)


async def read(shown: Reporting, currency: str = "") -> Month:
    token = shown.finance[0][1].removeprefix("Bearer ")
    return await Reader(Service(shown.reports, token, "{}"), FIRST, currency).read()


def net(figures: pb.SalesFigures) -> Decimal:
    return amount(figures.net)


async def test_each_currency_that_customers_pay_in_has_a_section(shop: Shop) -> None:
    many = [sold(2, "EUR", 10 + n, plan=n, countries=[f"A{chr(65 + n)}"]) for n in range(13)]
    orders = [
        *many,
        sold(31, "EUR", 7, later=[]),
        sold(5, "JPY", 1000),
        sold(30, "EUR", 40, month=9),
        sold(1, "EUR", 99, month=11),
    ]
    await happen(shop.databases.admin, orders)
    async with reporting(shop) as shown:
        month = await read(shown)
        converted = await read(shown, "USD")
    assert (month.last, month.previous_first) == (date(2026, 10, 31), date(2026, 9, 1))
    assert (month.time_zone, month.complete, month.apart) == ("UTC", True, [])
    euros, yen = month.sections
    assert (euros.currency, yen.currency) == ("EUR", "JPY")
    assert (euros.figures.orders, yen.figures.orders) == (14, 1)
    # The costs of 4 USD each, at the rate of each order.
    assert [amount(one.figures.cost) for one in (euros, yen)] == [28, 400]
    assert net(euros.figures) == sum(range(10, 23)) + 7
    # The whole month before, though it has a day less.
    assert [net(one.previous) for one in (euros, yen)] == [40, 0]
    for section in month.sections:
        assert section.agree
        assert len(section.days) == 31
        for rows in (section.days, section.areas, section.plans):
            assert sum(net(row.figures) for row in rows) == net(section.figures)
    assert [row.groups[0].value for row in euros.areas[:3]] == ["AM", "AL", "AK"]
    assert [row.other for row in euros.areas] == [False] * 10 + [True]
    [dollars] = converted.sections
    assert dollars.currency == "USD"
    assert net(dollars.figures) == 2 * net(euros.figures) + 10
    assert amount(dollars.figures.cost) == 15 * 4


async def test_one_currency_has_everything_and_a_month_without_sales_nothing(shop: Shop) -> None:
    async with reporting(shop) as shown:
        assert (await read(shown)).sections == []
        [empty] = (await read(shown, "EUR")).sections
        assert (empty.figures.orders, empty.areas, empty.plans, len(empty.days)) == (0, [], [], 31)
        await happen(shop.databases.admin, [sold(30, "EUR", 40, month=9)])
        # Only the month before had sales.
        [before] = (await read(shown)).sections
        assert [net(before.figures), net(before.previous), len(before.areas)] == [0, 40, 0]
        await happen(shop.databases.admin, [sold(3, "EUR", 10, rate=None)])
        [section] = (await read(shown)).sections
    # A cost without a rate is counted, and missing in the amounts.
    assert [net(section.figures), section.figures.unconverted_facts] == [10, 1]
    assert amount(section.figures.cost) == 0


async def test_an_area_that_was_sold_only_on_days_left_out_has_no_row(shop: Shop) -> None:
    """The first 28 days of a month are read as the month less its last three days."""
    await happen(shop.databases.admin, [sold(5, "USD", 20), sold(30, "USD", 30, countries=["DE"])])
    async with reporting(shop) as shown:
        for as_sold_on in (False, True):
            report = await shown.sales(
                range=days_pb2.DayRange(from_day="2026-10-01", to_day="2026-10-28"),
                interval=days_pb2.INTERVAL_RANGE,
                group_by=[pb.SALES_DIMENSION_AREA],
                as_sold_on=as_sold_on,
            )
            assert [row.groups[0].value for row in report.rows] == ["FR"]
            assert amount(report.totals[0].figures.gross) == 20


async def test_a_day_is_compared_with_the_same_day_of_a_year_with_a_leap_day(shop: Shop) -> None:
    """Both years of this comparison have a 29 February, so they have as many days."""
    days = [(2023, 3, 1), (2023, 3, 2), (2023, 12, 31), (2024, 2, 29), (2024, 3, 1)]
    at = {day: datetime(*day, 12, tzinfo=UTC) for day in days}
    orders = [sold(1, "USD", 10 + n, at=at[day]) for n, day in enumerate(days)]
    await happen(shop.databases.admin, orders)
    async with reporting(shop) as shown:
        for as_sold_on in (False, True):
            for zone in ("UTC", "Europe/London"):
                report = await shown.sales(
                    range=days_pb2.DayRange(from_day="2024-02-28", to_day="2025-03-01"),
                    compare_to=pb.COMPARISON_YEAR_BEFORE,
                    as_sold_on=as_sold_on,
                    time_zone=zone,
                )
                compared = {
                    row.period.from_day: int(amount(row.previous.gross))
                    for row in report.rows
                    if amount(row.previous.gross)
                }
                # 29 February has no year after of its own.
                assert compared == {
                    "2024-03-01": 10,
                    "2024-03-02": 11,
                    "2024-12-31": 12,
                    "2025-02-28": 13,
                    "2025-03-01": 14,
                }


async def test_what_has_no_plan_has_no_name_of_one(shop: Shop) -> None:
    """The row of all other plans must not give its names to the group without a plan."""
    admin, at = shop.databases.admin, datetime(2026, 10, 5, tzinfo=UTC)
    await happen(admin, [sold(5, "USD", 20, plan=1), sold(6, "USD", 30, plan=2)])
    of_top_up = Moved("txn_1", Decimal(50), Decimal("1.75"), "USD", Decimal(50), "USD")
    await post(admin, at, postings.settled(of_top_up))
    async with reporting(shop) as shown:
        report = await shown.sales(
            range=days_pb2.DayRange(from_day="2026-10-01", to_day="2026-10-31"),
            interval=days_pb2.INTERVAL_RANGE,
            group_by=[pb.SALES_DIMENSION_PLAN],
            order_by=pb.SALES_FIELD_NAME,
            ascending=True,
            first=1,
        )
    fees, others = report.rows
    assert (amount(fees.figures.fees), others.other) == (Decimal("1.75"), True)
    assert (fees.groups[0].value, fees.groups[0].label) == ("", "")


async def test_durations_are_ordered_as_numbers(shop: Shop) -> None:
    await happen(shop.databases.admin, [sold(5, "USD", 20, days=days) for days in (10, 7, 30)])
    async with reporting(shop) as shown:
        for ascending, days in ((True, ["7", "10", "30"]), (False, ["30", "10", "7"])):
            report = await shown.sales(
                range=days_pb2.DayRange(from_day="2026-10-01", to_day="2026-10-31"),
                interval=days_pb2.INTERVAL_RANGE,
                group_by=[pb.SALES_DIMENSION_DURATION],
                order_by=pb.SALES_FIELD_NAME,
                ascending=ascending,
            )
            assert [row.groups[0].value for row in report.rows] == days


async def test_plans_and_organizations_are_ordered_by_their_names(shop: Shop) -> None:
    """Their values are ids, whose order says nothing to people."""
    async with shop.channel() as channel:
        names = ["Zebra", "acme", "Beta"]
        owned = [UUID((await create_organization(shop.auth, channel, n)).id) for n in names]
    assert [str(one) for one in sorted(map(plan_of, range(5)))] != [
        str(plan_of(n)) for n in range(5)
    ]
    orders = [sold(5, "USD", 20, plan=n, organization=owned[n % 3]) for n in range(5)]
    await happen(shop.databases.admin, [*orders, sold(5, "USD", 20, plan=0)])
    async with reporting(shop) as shown:
        for dimension, labels in (
            (pb.SALES_DIMENSION_PLAN, [f"esim_{n}" for n in range(5)]),
            (pb.SALES_DIMENSION_ORGANIZATION, ["", "acme", "Beta", "Zebra"]),
        ):
            for ascending in (True, False):
                report = await shown.sales(
                    range=days_pb2.DayRange(from_day="2026-10-01", to_day="2026-10-31"),
                    interval=days_pb2.INTERVAL_RANGE,
                    group_by=[dimension],
                    order_by=pb.SALES_FIELD_NAME,
                    ascending=ascending,
                )
                expected = labels if ascending else labels[::-1]
                assert [row.groups[0].label for row in report.rows] == expected


async def test_an_empty_country_finds_plans_of_several_countries_in_every_report(
    shop: Shop,
) -> None:
    """As reports by country show them. Each of these reports reads another table."""
    several = sold(6, "USD", 30, countries=["DE", "FR"])
    await happen(shop.databases.admin, [sold(5, "USD", 20), several])
    async with reporting(shop) as shown:
        for fields in (
            {"group_by": [pb.SALES_DIMENSION_COUNTRY]},
            {"group_by": [pb.SALES_DIMENSION_PLAN]},
            {"group_by": [pb.SALES_DIMENSION_COUNTRY], "time_zone": "Asia/Kolkata"},
        ):
            report = await shown.sales(
                range=days_pb2.DayRange(from_day="2026-10-01", to_day="2026-10-31"),
                filter=pb.SalesFilter(countries=[""]),
                **fields,
            )
            assert amount(report.totals[0].figures.gross) == 30


async def test_codes_of_countries_may_be_in_lower_case(shop: Shop) -> None:
    await happen(shop.databases.admin, [sold(5, "USD", 20), sold(6, "USD", 30, countries=["DE"])])
    async with reporting(shop) as shown:
        report = await shown.sales(
            range=days_pb2.DayRange(from_day="2026-10-01", to_day="2026-10-31"),
            filter=pb.SalesFilter(countries=["fr"]),
        )
    assert amount(report.totals[0].figures.gross) == 20


async def test_each_day_of_a_leap_year_is_compared_with_the_same_day(shop: Shop) -> None:
    """29 February has no such day, and must not move those after it."""
    days = [(2027, 2, 28), (2027, 3, 1), (2027, 3, 2), (2027, 12, 31)]
    at = [datetime(*day, 12, tzinfo=UTC) for day in days]
    await happen(shop.databases.admin, [sold(1, "USD", 10 + n, at=one) for n, one in enumerate(at)])
    async with reporting(shop) as shown:
        for as_sold_on in (False, True):
            for first, last in (("2028-01-01", "2028-12-31"), ("2028-02-28", "2028-03-02")):
                report = await shown.sales(
                    range=days_pb2.DayRange(from_day=first, to_day=last),
                    compare_to=pb.COMPARISON_YEAR_BEFORE,
                    as_sold_on=as_sold_on,
                )
                compared = {
                    row.period.from_day[5:]: int(amount(row.previous.gross))
                    for row in report.rows
                    if amount(row.previous.gross)
                }
                expected = {"02-28": 10, "03-01": 11, "03-02": 12, "12-31": 13}
                assert compared == {day: n for day, n in expected.items() if day <= last[5:]}


async def test_a_range_that_ends_before_or_begins_on_29_february_is_compared_whole(
    shop: Shop,
) -> None:
    at = datetime(2027, 2, 28, 12, tzinfo=UTC)
    await happen(shop.databases.admin, [sold(1, "USD", 10, at=at)])
    async with reporting(shop) as shown:
        for first, last in (
            ("2028-02-01", "2028-02-28"),
            ("2028-02-01", "2028-02-29"),
            ("2028-02-28", "2028-02-28"),
            ("2028-02-29", "2028-02-29"),
            ("2028-02-29", "2028-03-02"),
        ):
            for interval in (
                days_pb2.INTERVAL_DAY,
                days_pb2.INTERVAL_WEEK,
                days_pb2.INTERVAL_RANGE,
            ):
                report = await shown.sales(
                    range=days_pb2.DayRange(from_day=first, to_day=last),
                    interval=interval,
                    compare_to=pb.COMPARISON_YEAR_BEFORE,
                )
                assert amount(report.totals[0].previous.gross) == 10, (first, last, interval)

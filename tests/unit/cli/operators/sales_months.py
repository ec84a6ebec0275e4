"""Months of sales, as the reports service returns them, for tests of the page."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from cli.operators.sales.month import Month, Section
from kit.values import currencies, money
from protos.common.v1 import days_pb2
from protos.orders.v1 import reports_pb2 as pb

FIRST = date(2026, 11, 1)
AREAS = ("FR", "Europe", "US", "JP", "Global", "GB", "MULTIPLE", "TR", "AE", "CI")
LONG = "esim_<script>alert('plan')</script>_10GB_30D_" + "VERY-LONG-NAME-" * 8
PLANS = ("esim_1GB_7D_FR_V2", "esim_UL_30D_REUP_V2", LONG, "esim_5GB_30D_US_V2")


def figures(currency: str, orders: int, each: str, margin: float = 0.3) -> pb.SalesFigures:
    """Figures that add up: some tax and refunds, and a margin of this share of the net."""

    def rounded(amount: Decimal) -> Decimal:
        return currencies.rounded(amount, currency)

    gross = rounded(Decimal(each) * orders)
    tax = rounded(gross * Decimal("0.16"))
    refunds = rounded(gross * Decimal("0.04"))
    net = gross - tax - refunds
    fees = rounded(net * Decimal("0.03"))
    cost = net - fees - rounded(net * Decimal(str(margin)))
    amounts = {
        "gross": gross,
        "tax": tax,
        "refunds": refunds,
        "disputes": Decimal(0),
        "net": net,
        "cost": cost,
        "fees": fees,
        "margin": net - cost - fees,
        "inventory_value": Decimal(0),
    }
    return pb.SalesFigures(
        orders=orders,
        esims=orders + orders // 3,
        **{name: money.to_proto(value, currency) for name, value in amounts.items()},  # type: ignore[arg-type] # all are amounts
        margin_percent=float(round((net - cost - fees) * 100 / net, 2)) if net > 0 else None,
    )


def added(currency: str, found: Sequence[pb.SalesFigures]) -> pb.SalesFigures:
    total = pb.SalesFigures()
    for name in ("orders", "esims"):
        setattr(total, name, sum(getattr(one, name) for one in found))
    for field in pb.SalesFigures.DESCRIPTOR.fields:
        if field.message_type is not None:
            amount = sum((money.from_proto(getattr(one, field.name)) for one in found), Decimal(0))
            getattr(total, field.name).CopyFrom(money.to_proto(amount, currency))
    net, margin = money.from_proto(total.net), money.from_proto(total.margin)
    if net > 0:
        total.margin_percent = float(round(margin * 100 / net, 2))
    return total


def row(shown: pb.SalesFigures, dimension: Any = None, value: str = "", label: str = "") -> Any:
    groups = []
    if dimension is not None:
        groups.append(pb.SalesGroup(dimension=dimension, value=value, label=label or value))
    return pb.SalesRow(groups=groups, figures=shown)


def section(currency: str, seed: int, each: str, *, loss: bool = False) -> Section:
    """One currency with sales on most days; with `loss` below cost on many of them."""
    random = Random(seed)
    days = []
    for n in range(30):
        shown = figures(
            currency,
            random.choice((0, 3, 8, 21, 34)),
            each,
            random.choice((-0.6, -0.2, 0.1)) if loss else random.uniform(0.1, 0.45),
        )
        one = row(shown)
        day = (FIRST + timedelta(days=n)).isoformat()
        one.period.CopyFrom(days_pb2.DayRange(from_day=day, to_day=day))
        days.append(one)
    areas = [
        row(
            figures(currency, 120 // (n + 1), each, -0.1 if loss and n % 2 else 0.3),
            pb.SALES_DIMENSION_AREA,
            area,
        )
        for n, area in enumerate(AREAS)
    ]
    other = row(figures(currency, 17, each))
    other.other = True
    plans = [
        row(figures(currency, 200 // (n + 1), each), pb.SALES_DIMENSION_PLAN, str(n), name)
        for n, name in enumerate(PLANS)
    ]
    total = added(currency, [one.figures for one in days])
    return Section(
        currency, total, figures(currency, 260, each), days, [*areas, other], plans, agree=True
    )


def month(*sections: Section, **changes: Any) -> Month:
    made = Month(
        FIRST,
        date(2026, 11, 30),
        date(2026, 10, 1),
        "Europe/Berlin",
        datetime(2026, 12, 3, 7, 30, tzinfo=UTC),
        complete=True,
        sections=list(sections),
    )
    return replace(made, **changes)


def empty_section(currency: str = "EUR") -> Section:
    """Nothing was sold, but something was in the month before."""
    nothing = added(currency, [])
    days = []
    for n in range(30):
        one = row(nothing)
        one.period.from_day = one.period.to_day = (FIRST + timedelta(days=n)).isoformat()
        days.append(one)
    return Section(currency, nothing, figures(currency, 12, "9.90"), days, [], [], agree=True)


def months() -> dict[str, Month]:
    """Every kind of month that the page has to show well."""
    fees = pb.SalesFigures(fees=money.to_proto(Decimal("4.35"), "EUR"))
    for name in ("gross", "tax", "refunds", "disputes", "net", "cost"):
        getattr(fees, name).currency_code = "EUR"
    fees.margin.CopyFrom(money.to_proto(Decimal("-4.35"), "EUR"))
    missing = section("USD", 4, "12.34")
    missing.figures.unconverted_facts = 3
    return {
        "usual": month(section("EUR", 1, "11.90")),
        "empty": month(empty_section()),
        "nothing": month(),
        "loss": month(section("USD", 2, "8.50", loss=True)),
        "currencies": month(
            section("EUR", 1, "11.90"),
            section("JPY", 2, "1480"),
            section("KWD", 3, "2.750"),
            apart=[row(fees)],
        ),
        "unfinished": month(
            replace(missing, agree=False),
            as_of=datetime(2026, 11, 18, 12, tzinfo=UTC),
            complete=False,
        ),
        "large": month(section("IDR", 5, "187654321")),
    }

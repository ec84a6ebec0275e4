"""Makes sales reports in plain Python from the figures of the ledger, to compare the service with."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from kit.reports.periods import Days, Interval, starts
from services.orders.reports.report import (
    Comparison,
    Dimension,
    Field,
    Figures,
    Filter,
    Group,
    Row,
    Total,
    Wanted,
)
from tests.component.orders.reports.business import plan_of
from tests.component.orders.reports.recount import Figure

Values = tuple[str, ...]
# By period, currency and group.
Cells = dict[tuple[int, str, Values], Figures]
OTHER = ("(other)",)
NAMES = {str(plan_of(number)): f"esim_{number}" for number in range(5)}


@dataclass
class Recounted:
    """What a report has to say."""

    rows: list[Row]
    totals: list[Total]


def recounted(found: Iterable[Figure], wanted: Wanted) -> Recounted:
    """Return the report that these figures make."""
    kept = [one for one in found if _matches(one, wanted.filter)]
    first_days = starts(wanted.days, wanted.interval)
    after = wanted.days.last + timedelta(days=1)
    now = _cells(kept, wanted, [*first_days, after])
    before: Cells = {}
    if wanted.compare_to:
        before = _cells(kept, wanted, _moved([*first_days, after], wanted))
    ranks = _ranks(wanted, now, before)
    now, before = _folded(now, ranks, wanted.first), _folded(before, ranks, wanted.first)
    keys = {*now, *before}
    if not wanted.group_by:
        # Every period has a row.
        currencies = {currency for _, currency, _ in keys} or {wanted.currency}
        keys |= {(n, currency, ()) for n in range(len(first_days)) for currency in currencies}
    ends = [day - timedelta(days=1) for day in (*first_days[1:], after)]

    def place(key: tuple[int, str, Values]) -> tuple[int, str, int]:
        period, currency, values = key
        return period, currency, ranks.get((currency, values), len(ranks))

    rows = [
        Row(
            Days(first_days[period], ends[period]),
            () if values == OTHER else _groups(wanted, values),
            values == OTHER,
            currency,
            now.get((period, currency, values), Figures()),
            before.get((period, currency, values), Figures()) if wanted.compare_to else None,
        )
        for period, currency, values in sorted(keys, key=place)
    ]
    return Recounted(rows, _totals(rows, wanted))


def _matches(one: Figure, wanted: Filter) -> bool:
    own = one.dimensions
    known = {
        "countries": own["COUNTRY"],
        "areas": own["AREA"],
        "regions": own["REGION"],
        "durations": int(own["DURATION"] or -1),
        "currencies": own["CURRENCY"],
        "organization_ids": own["ORGANIZATION"],
        "coupon_codes": own["COUPON"],
        "sources": own["SOURCE"],
    }
    for name, value in known.items():
        allowed: Sequence[Any] = getattr(wanted, name)
        if allowed and value not in [str(a) if name == "organization_ids" else a for a in allowed]:
            return False
    plan = own["PLAN"]
    if wanted.plans and not {plan, NAMES.get(plan, plan)} & set(wanted.plans):
        return False
    # Only plans that were recorded with their order have a duration; all of them are unlimited.
    return wanted.unlimited in (None, own["DURATION"] != "")


def _moved(days: Sequence[date], wanted: Wanted) -> list[date]:
    """Return the same days of the range that is compared with."""
    if wanted.compare_to is Comparison.YEAR_BEFORE:
        moved = [_months_before(day, 12) for day in days]
        # 29 February has no such day, so a period that begins with it begins on 1 March, unless it is first.
        is_leap = [(day.month, day.day) == (2, 29) for day in days]
        return moved[:1] + [
            one + timedelta(days=leap) for one, leap in zip(moved[1:], is_leap[1:], strict=True)
        ]
    first, after = days[0], days[-1]
    months = (after.year - first.year) * 12 + after.month - first.month
    is_whole = first.day == after.day == 1 and wanted.interval not in (Interval.DAY, Interval.WEEK)
    return [_months_before(day, months) if is_whole else day - (after - first) for day in days]


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    while True:
        try:
            return date(year, month + 1, day.day)
        except ValueError:  # a month without this day
            day -= timedelta(days=1)


def _cells(found: Iterable[Figure], wanted: Wanted, bounds: Sequence[date]) -> Cells:
    """Sum figures by the periods that begin at all bounds but the last."""
    zone = ZoneInfo(wanted.time_zone)
    cells: Cells = defaultdict(Figures)
    seen: set[tuple[Any, ...]] = set()
    for one in found:
        day = (one.sold_at if wanted.as_sold_on else one.at).astimezone(zone).date()
        period = bisect(bounds, day) - 1
        if not 0 <= period < len(bounds) - 1:
            continue
        shown = wanted.currency or one.currency
        amount = one.in_currency(shown)
        values: dict[str, Any] = {one.name: amount or Decimal(0)}
        # A fact of tax is two figures, but one fact.
        if one.fact not in seen:
            seen.add(one.fact)
            values |= {"orders": one.orders, "esims": one.esims, "unconverted": int(amount is None)}
        group = tuple(one.dimensions[dimension] for dimension in wanted.group_by)
        cells[period, shown, group] += Figures(**values)
    return cells


def _ranks(wanted: Wanted, now: Cells, before: Cells) -> dict[tuple[str, Values], int]:
    """Return the places of all groups in their currency."""
    sums: dict[tuple[str, Values], Figures] = defaultdict(Figures)
    for (_, currency, values), own in now.items():
        sums[currency, values] += own
    sign = 1 if wanted.ascending else -1

    def by_figure(key: tuple[str, Values]) -> tuple[Any, ...]:
        if wanted.order_by is Field.NAME:
            return (key[1],)
        # Groups of only the other range come last.
        figure = getattr(sums[key], wanted.order_by.lower()) if key in sums else 0
        return key not in sums, sign * figure, key[1]

    groups = {(currency, values) for _, currency, values in (*now, *before)}
    ordered = sorted(groups, key=by_figure)
    if wanted.order_by is Field.NAME:
        ordered.sort(key=lambda key: _name(wanted, key[1]), reverse=not wanted.ascending)
    places: dict[str, int] = defaultdict(int)
    ranks = {}
    for currency, values in ordered:
        ranks[currency, values] = places[currency]
        places[currency] += 1
    return ranks


def _name(wanted: Wanted, values: Values) -> list[Any]:
    return [
        int(value or 0) if dimension is Dimension.DURATION else NAMES.get(value, value)
        for dimension, value in zip(wanted.group_by, values, strict=True)
    ]


def _folded(cells: Cells, ranks: dict[tuple[str, Values], int], first: int) -> Cells:
    folded: Cells = defaultdict(Figures)
    for (period, currency, values), own in cells.items():
        is_first = ranks[currency, values] < first
        folded[period, currency, values if is_first else OTHER] += own
    return folded


def _groups(wanted: Wanted, values: Values) -> tuple[Group, ...]:
    return tuple(
        Group(dimension, value, NAMES.get(value, value))
        for dimension, value in zip(wanted.group_by, values, strict=True)
    )


def _totals(rows: Sequence[Row], wanted: Wanted) -> list[Total]:
    currencies = list(dict.fromkeys(row.currency for row in rows)) or [wanted.currency]
    return [
        Total(
            currency,
            Figures.sum(row.figures for row in rows if row.currency == currency),
            Figures.sum(row.previous or Figures() for row in rows if row.currency == currency)
            if wanted.compare_to
            else None,
        )
        for currency in currencies
    ]

"""Which rows a sales report reads: sums by area, sums by day, or facts for time zones that are not summed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from kit.reports.periods import DAY, Days, month_after
from kit.reports.statement import Statement
from services.orders.reports.report import AMOUNTS, SUMMED, Dimension, Filter, Wanted


class Source(StrEnum):
    """The table that is read."""

    FACTS = "FACTS"
    SUMS = "SUMS"
    # Sums for each destination and currency, by day and by month.
    AREAS = "AREAS"


@dataclass(frozen=True, slots=True)
class Ranged:
    """Days, and the first day of each of their periods."""

    days: Days
    starts: Sequence[date]


@dataclass(frozen=True, slots=True)
class Part:
    """Sums of days or months that are added or, unless `added`, subtracted.

    They count on the day `at`, or each on its own if that is None.
    """

    unit: str
    days: Days
    added: bool = True
    at: date | None = None


def parts(ranged: Ranged) -> list[Part]:
    """Return the sums by DAY and MONTH that make up a range, so that few rows are read."""
    first, last = ranged.days.first, ranged.days.last
    if any(start.day != 1 for start in ranged.starts[1:]):
        # A period begins within a month.
        return [Part("DAY", ranged.days)]
    # The whole months are from `month` until before `after`.
    month, after = first if first.day == 1 else month_after(first), (last + DAY).replace(day=1)
    if month > after:
        return _part_of_a_month(ranged.days)
    found = [Part("MONTH", Days(month, after - DAY))] if month < after else []
    if first < month:
        found += _part_of_a_month(Days(first, month - DAY))
    if last >= after:
        found += _part_of_a_month(Days(after, last))
    return found


def _part_of_a_month(days: Days) -> list[Part]:
    """Return the sums of the days, or those of their month and, to subtract, of its other days."""
    month = Days(days.first.replace(day=1), month_after(days.first) - DAY)
    # A month has about as many rows as a day.
    if month.number - days.number + 1 >= days.number:
        return [Part("DAY", days)]
    found = [Part("MONTH", month, at=days.first)]
    if month.first < days.first:
        found.append(Part("DAY", Days(month.first, days.first - DAY), added=False, at=days.first))
    if days.last < month.last:
        found.append(Part("DAY", Days(days.last + DAY, month.last), added=False, at=days.first))
    return found


# What sums by area tell apart.
AREA_DIMENSIONS = {Dimension.AREA, Dimension.COUNTRY, Dimension.REGION, Dimension.CURRENCY}
AREA_FILTERS = ("countries", "areas", "regions", "currencies")


def source(wanted: Wanted, *, summed: bool) -> Source:
    """Return the smallest table that has what a report needs; `summed` is its time zone."""
    if not summed:
        return Source.FACTS
    filters = {name: getattr(wanted.filter, name) for name in AREA_FILTERS}
    if set(wanted.group_by) <= AREA_DIMENSIONS and wanted.filter == Filter(**filters):
        return Source.AREAS
    return Source.SUMS


FACTS = """
select (f.at at time zone {zone})::date as day, (f.sold_at at time zone {zone})::date as sold_day,
    f.currency, f.converted_currency, f.dimension_id, 1 as facts, f.orders, f.esims, {amounts}
from orders.sales_figures f
where f.{at} >= ({first}::date)::timestamp at time zone {zone} - interval '1 day'
    and f.{at} < ({last}::date + 1)::timestamp at time zone {zone} + interval '1 day'
"""
SUMS = "select * from orders.sales_by_day b where b.time_zone = {zone}"
# Sums of what happened on a day, or with `sold_` of the orders that were sold on it.
AREAS = """
select {at} as {day}, b.area, b.country, b.region, b.sale_currency, b.currency, b.converted_currency, {sums}
from orders.area_sales b
where b.time_zone = {zone} and b.unit = '{unit}' and b.day >= {first} and b.day <= {last}
    and b.{which}facts > 0
"""
# Groups are left out that only have rows which are subtracted again.
HAVING = {Source.AREAS: "having sum(s.facts) > 0"}
# How the rows of each source are joined with what they are about.
DIMENSIONS = {
    Source.FACTS: "join orders.sales_dimensions d on d.id = s.dimension_id",
    Source.SUMS: "join orders.sales_dimensions d on d.id = s.dimension_id",
    Source.AREAS: "cross join lateral (select s.area, s.country, s.region, s.sale_currency) d",
}


def rows(given: Statement, source: Source, zone: str, ranged: Ranged, *, as_sold_on: bool) -> str:
    """Return the statement that reads the rows of a range, or more of them."""
    named, days = given.add(zone), ranged.days
    if source is Source.SUMS:
        return SUMS.format(zone=named)
    if source is Source.FACTS:
        return FACTS.format(
            zone=named,
            at="sold_at" if as_sold_on else "at",
            first=given.add(days.first),
            last=given.add(days.last),
            amounts=", ".join(f"f.{n}, f.converted_{n}" for n in AMOUNTS),
        )
    which = "sold_" if as_sold_on else ""
    return " union all ".join(
        AREAS.format(
            zone=named,
            unit=part.unit,
            day="sold_day" if as_sold_on else "day",
            at="b.day" if part.at is None else f"{given.add(part.at)}::date",
            first=given.add(part.days.first),
            last=given.add(part.days.last),
            which=which,
            sums=", ".join(
                f"{'' if part.added else '- '}b.{which}{name} as {name}" for name in SUMMED
            ),
        )
        for part in parts(ranged)
    )

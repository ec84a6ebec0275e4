"""The sales of one month, read from the reports service."""

import calendar
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from cli.operators.service import Service
from kit.values import timestamps
from protos.common.v1 import days_pb2, money_pb2
from protos.orders.v1 import reports_pb2 as pb

# Destinations and plans that have their own rows.
FIRST = 10
MAX_CURRENCIES = 1000
# The tables of a section are read one after the other, and must have the same sum. During a month that is
# not over, a sale between two of them is read again.
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Section:
    """Sales in one currency. `agree` is False if sales went on while the tables were read."""

    currency: str
    figures: pb.SalesFigures
    previous: pb.SalesFigures
    days: list[pb.SalesRow]
    areas: list[pb.SalesRow]
    plans: list[pb.SalesRow]
    agree: bool


@dataclass(frozen=True, slots=True)
class Month:
    """Sections by currency, and amounts without an order that are in none of them."""

    first: date
    last: date
    previous_first: date
    time_zone: str
    as_of: datetime
    complete: bool
    sections: list[Section]
    apart: list[pb.SalesRow] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """True if no sale can be added to the month, in any time zone."""
        return (self.as_of.date() - self.last).days >= 2


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the reports of one month, in one time zone and one currency if they are named."""

    service: Service
    first: date
    currency: str = ""
    time_zone: str = ""

    @property
    def last(self) -> date:
        return self.first.replace(day=calendar.monthrange(self.first.year, self.first.month)[1])

    async def read(self) -> Month:
        """Return the sales by what customers pay in, or all of them in the named currency."""
        sums = await self._report(
            group_by=[pb.SALES_DIMENSION_CURRENCY],
            first=MAX_CURRENCIES,
            compare_to=pb.COMPARISON_PREVIOUS_PERIOD,
        )
        paid_in = sorted({row.groups[0].value for row in sums.rows if row.groups[0].value})
        apart = [row for row in sums.rows if not row.groups[0].value]
        alone = self.currency or (paid_in[0] if len(paid_in) == 1 else "")
        if not alone and not paid_in and apart:
            alone = apart[0].figures.gross.currency_code
        if alone:
            # Nothing is left out: what has no order is converted too.
            sections, apart = [await self._section(alone, pb.SalesFilter())], []
        else:
            sections = [
                await self._section(currency, pb.SalesFilter(currencies=[currency]))
                for currency in paid_in
            ]
        return Month(
            self.first,
            self.last,
            date.fromisoformat(sums.previous_range.from_day),
            sums.time_zone,
            timestamps.from_proto(sums.as_of),
            sums.complete,
            sections,
            apart,
        )

    async def _section(self, currency: str, chosen: pb.SalesFilter) -> Section:
        common = {"currency": currency, "filter": chosen}
        for _ in range(ATTEMPTS):
            days = await self._report(interval=days_pb2.INTERVAL_DAY, **common)
            areas, plans = [
                await self._report(
                    group_by=[dimension],
                    first=FIRST,
                    order_by=pb.SALES_FIELD_NET,
                    compare_to=pb.COMPARISON_PREVIOUS_PERIOD,
                    **common,
                )
                for dimension in (pb.SALES_DIMENSION_AREA, pb.SALES_DIMENSION_PLAN)
            ]
            sums = [report.totals[0].figures for report in (days, areas, plans)]
            if agree := all(one == sums[0] for one in sums):
                break
        total = areas.totals[0]
        return Section(
            currency,
            total.figures,
            total.previous,
            list(days.rows),
            _sold(areas.rows),
            _sold(plans.rows),
            agree,
        )

    async def _report(self, **wanted: Any) -> pb.GetSalesResponse:
        fields: dict[str, Any] = {
            "interval": days_pb2.INTERVAL_RANGE,
            "currency": self.currency,
        } | wanted
        request = pb.GetSalesRequest(
            range=days_pb2.DayRange(from_day=self.first.isoformat(), to_day=self.last.isoformat()),
            time_zone=self.time_zone,
            **fields,
        )
        answer: pb.GetSalesResponse = await self.service.call("GetSales", request)
        return answer


def _sold(rows: Iterable[pb.SalesRow]) -> list[pb.SalesRow]:
    """Leave out groups that only the month before has."""
    return [row for row in rows if row.other or not _is_zero(row.figures)]


def _is_zero(figures: pb.SalesFigures) -> bool:
    return not any(
        value.units or value.nanos if isinstance(value, money_pb2.Money) else value
        for _, value in figures.ListFields()
    )

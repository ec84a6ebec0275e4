"""Makes sales reports of the cells that the database returns, so that rows always add up to totals."""

from collections.abc import Sequence

from kit.db.reports import ReportsDatabase
from kit.errors import Failure, Kind, invalid
from kit.reports import periods
from services.orders.reports import sales_store, sources
from services.orders.reports.report import (
    Cell,
    Comparison,
    Dimension,
    Figures,
    Group,
    Report,
    Row,
    Total,
    Wanted,
)
from services.orders.reports.sources import Ranged

# Rows of one answer. More are for exports.
MAX_ROWS = 10_000
# Facts of other time zones than that of the shop are read one by one.
MAX_DAYS_OF_FACTS = 400


class Sales:
    """Reads sales reports. `time_zone` is that of reports that name none."""

    def __init__(self, database: ReportsDatabase, time_zone: str) -> None:
        self._database = database
        self._time_zone = time_zone

    async def report(self, wanted: Wanted) -> Report:
        """Return a report; raises Failure INVALID if it can't be made as requested."""
        zone = wanted.time_zone or self._time_zone
        ranges = ranges_of(wanted)
        async with self._database.snapshot() as connection:
            state = await sales_store.state(connection, zone)
            if not state.summed:
                _require_few_days(wanted, self._time_zone)
            source = sources.source(wanted, summed=state.summed)
            # A row joins a cell of each range.
            limit = MAX_ROWS * len(ranges)
            cells = await sales_store.cells(
                connection, wanted, zone, ranges, source, limit=limit + 1
            )
        _require_one_currency(wanted, cells)
        rows = _rows(wanted, ranges, cells)
        if len(cells) > limit or len(rows) > MAX_ROWS:
            raise _too_many_rows()
        return Report(
            rows,
            _totals(wanted, rows),
            zone,
            state.as_of,
            state.complete,
            ranges[1].days if len(ranges) > 1 else None,
        )


def ranges_of(wanted: Wanted) -> list[Ranged]:
    """Return the range with its periods, and the one that it is compared with."""
    days, interval = wanted.days, wanted.interval
    starts = periods.starts(days, interval)
    if wanted.compare_to is None:
        return [Ranged(days, starts)]
    is_previous = wanted.compare_to is Comparison.PREVIOUS_PERIOD
    shift = periods.previous(days, interval) if is_previous else periods.year_before
    return [Ranged(days, starts), Ranged(*periods.shifted(days, starts, shift))]


def _require_few_days(wanted: Wanted, time_zone: str) -> None:
    if wanted.days.number <= MAX_DAYS_OF_FACTS:
        return
    text = (
        f"Reports in another time zone than {time_zone} may have at most {MAX_DAYS_OF_FACTS} days, not"
        f" {wanted.days.number}: use {time_zone}, or a shorter range"
    )
    raise Failure(
        Kind.INVALID,
        "RANGE_TOO_LONG",
        text,
        fields={"range": text},
        details={"time_zone": time_zone, "max_days": str(MAX_DAYS_OF_FACTS)},
    )


def _require_one_currency(wanted: Wanted, cells: Sequence[Cell]) -> None:
    """Refuse to sum amounts in several currencies."""
    currencies = sorted({cell.currency for cell in cells})
    if wanted.currency or Dimension.CURRENCY in wanted.group_by or len(currencies) <= 1:
        return
    raise currency_needed(
        currencies, "name the currency into which they are converted, or group by CURRENCY"
    )


def currency_needed(currencies: Sequence[str], what_works: str) -> Failure:
    """Return the refusal to sum amounts in several currencies."""
    text = f"The amounts are in {', '.join(currencies)}: {what_works}"
    return Failure(
        Kind.INVALID,
        "CURRENCY_NEEDED",
        text,
        fields={"currency": text},
        details={"currencies": ",".join(currencies)},
    )


def _too_many_rows() -> Failure:
    return invalid(
        {
            "first": f"the report would have more than {MAX_ROWS} rows: request fewer groups, a longer"
            " interval such as MONTH or RANGE, or export the facts"
        },
        reason="TOO_MANY_ROWS",
    )


Key = tuple[int, str, bool, tuple[str, ...]]


def _rows(wanted: Wanted, ranges: Sequence[Ranged], cells: Sequence[Cell]) -> list[Row]:
    """Join each cell with that of the other range, by period and group."""
    compared = len(ranges) > 1
    split = periods.split(ranges[0].days, list(ranges[0].starts))
    now, before = dict[Key, Figures](), dict[Key, Figures]()
    ranks, names = dict[Key, int](), dict[tuple[str, ...], str]()
    for cell in cells:
        key = (cell.period, cell.currency, cell.other, cell.values)
        (before if cell.is_previous else now)[key] = cell.figures
        if not cell.other:
            names[cell.values] = cell.bundle_name
        ranks[key] = cell.rank
    if not wanted.group_by:
        # A chart needs every period.
        for currency in {cell.currency for cell in cells} or {wanted.currency}:
            for period in range(len(split)):
                ranks.setdefault((period, currency, False, ()), 1)
    groups = {values: _groups(wanted, values, name) for values, name in names.items()}
    nothing = Figures()
    return [
        Row(
            split[key[0]],
            () if key[2] else groups.get(key[3], ()),
            key[2],
            key[1],
            now.get(key, nothing),
            before.get(key, nothing) if compared else None,
        )
        for key in sorted(ranks, key=lambda key: (key[0], key[1], ranks[key]))
    ]


def _groups(wanted: Wanted, values: Sequence[str], bundle_name: str) -> tuple[Group, ...]:
    return tuple(
        Group(
            dimension,
            value,
            bundle_name if dimension is Dimension.PLAN and bundle_name else value,
        )
        for dimension, value in zip(wanted.group_by, values, strict=True)
    )


def _totals(wanted: Wanted, rows: Sequence[Row]) -> list[Total]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.currency, []).append(row)
    if not found:
        previous = Figures() if wanted.compare_to else None
        return [Total(wanted.currency, Figures(), previous)]
    return [
        Total(
            currency,
            Figures.sum(row.figures for row in own),
            Figures.sum(row.previous or Figures() for row in own) if wanted.compare_to else None,
        )
        for currency, own in found.items()
    ]

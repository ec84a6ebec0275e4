"""Makes usage reports of the cells that the database returns, so that rows always add up to totals."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from kit.db.reports import ReportsDatabase
from kit.errors import Failure, Kind, invalid
from kit.reports import periods
from kit.reports.periods import DAY, Days
from services.esims.reports import expiry_store, usage_store
from services.esims.reports.report import (
    Cell,
    Dimension,
    Expiry,
    Figures,
    Group,
    Report,
    Row,
    Wanted,
)
from services.esims.reports.usage_store import State
from services.esims.usage.plans import plan_id

# Rows of one answer. More are for exports.
MAX_ROWS = 10_000


class Usage:
    """Reads usage reports. `time_zone` is that of reports that name none."""

    def __init__(self, database: ReportsDatabase, time_zone: str) -> None:
        self._database = database
        self._time_zone = time_zone

    async def report(self, wanted: Wanted) -> Report:
        """Return a report; raises Failure INVALID if it can't be made as requested."""
        zone = wanted.time_zone or self._time_zone
        starts = periods.starts(wanted.days, wanted.interval)
        day = wanted.days.first
        async with self._database.snapshot() as connection:
            state = await usage_store.state(connection)
            summed = state.sums(zone, day)
            if not summed:
                [begins] = await usage_store.beginnings(connection, [day], zone)
                _require_samples(day, begins, zone, state)
            cells = await usage_store.cells(
                connection, wanted, zone, starts, summed=summed, limit=MAX_ROWS + 1
            )
            waits_since = await usage_store.summed_until(connection) if summed else None
        if len(cells) > MAX_ROWS:
            raise _too_many_rows()
        rows = _rows(wanted, periods.split(wanted.days, starts), cells)
        as_of = min(waits_since or state.read_at, state.read_at)
        return Report(rows, zone, as_of, state.recorded_since)

    async def expiry(
        self, days: Days, time_zone: str, organization_id: UUID | None = None
    ) -> Expiry:
        """Return what became of bundles and eSIMs, of one organization if it is named."""
        async with self._database.snapshot() as connection:
            state = await usage_store.state(connection)
            zone = time_zone or self._time_zone
            return await expiry_store.expiry(connection, days, zone, state.read_at, organization_id)


def _require_samples(day: date, begins: datetime, zone: str, state: State) -> None:
    """Refuse days that are not summed, if samples of them are deleted; the first day begins at `begins`."""
    deleted = state.deleted_until
    if deleted is None or begins >= deleted:
        return
    # The first day of which all samples are stored, or that is summed.
    first = periods.day_of(deleted, zone) + DAY
    if zone in state.zones:
        first = min(first, state.zones[zone] or first)
    works = sorted(name for name in state.zones if state.sums(name, day))
    other_zone = f"the time zone {' or '.join(works)}, or " if works else ""
    text = (
        f"Samples of before {deleted.date()} are deleted, so {day} can't be counted in the time zone {zone}:"
        f" use {other_zone}a range from {first} on"
    )
    raise Failure(
        Kind.INVALID,
        "RANGE_TOO_OLD",
        text,
        fields={"time_zone" if works else "range": text},
        details={"time_zones": ",".join(works), "from_day": first.isoformat()},
    )


def _too_many_rows() -> Failure:
    return invalid(
        {
            "first": f"the report would have more than {MAX_ROWS} rows: request fewer groups, a longer"
            " interval such as MONTH or RANGE, or export the usage"
        },
        reason="TOO_MANY_ROWS",
    )


def _rows(wanted: Wanted, split: Sequence[Days], cells: Sequence[Cell]) -> list[Row]:
    if not wanted.group_by:
        # A chart needs every period.
        found = {cell.period: cell.figures for cell in cells}
        return [Row(days, (), False, found.get(n, Figures())) for n, days in enumerate(split)]
    return [
        Row(
            split[cell.period],
            () if cell.other else _groups(wanted, cell),
            cell.other,
            cell.figures,
        )
        for cell in cells
    ]


def _groups(wanted: Wanted, cell: Cell) -> tuple[Group, ...]:
    return tuple(
        Group(dimension, str(plan_id(value)) if dimension is Dimension.PLAN else value, value)
        for dimension, value in zip(wanted.group_by, cell.values, strict=True)
    )

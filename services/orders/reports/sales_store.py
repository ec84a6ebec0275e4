"""SQL that groups and orders the figures of sales reports; nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kit.db.database import Connection
from kit.reports.statement import AS_OF, Statement
from services.orders.reports import sources
from services.orders.reports.report import AMOUNTS, Cell, Dimension, Field, Figures, Filter, Wanted
from services.orders.reports.sources import Ranged, Source

# Each value as text, empty for none. Only constants go into statements.
VALUES = {
    Dimension.AREA: "d.area",
    Dimension.COUNTRY: "coalesce(d.country, '')",
    Dimension.REGION: "d.region",
    Dimension.PLAN: "coalesce(d.plan_id::text, '')",
    Dimension.DURATION: "coalesce(d.duration_days::text, '')",
    Dimension.CURRENCY: "d.sale_currency",
    Dimension.ORGANIZATION: "coalesce(d.organization_id::text, '')",
    Dimension.COUPON: "d.coupon_code",
    Dimension.SOURCE: "d.source",
}
# What NAME orders by if a value, `{0}`, is an id: its label, whose case does not count.
LABELS = {
    Dimension.PLAN: "lower(coalesce(nullif(bundle_name, ''), {0}))",
    Dimension.ORGANIZATION: """
        lower(coalesce((select o.name from orders.organizations o where o.id = nullif({0}, '')::uuid), {0}))
    """,
}
NET = "sum(gross) - sum(tax) - sum(refunds) - sum(disputes)"
ORDERS = {
    Field.GROSS: "sum(gross)",
    Field.NET: NET,
    Field.MARGIN: f"{NET} - sum(cost) - sum(fees)",
    Field.ORDERS: "sum(orders)",
    Field.ESIMS: "sum(esims)",
    Field.REFUNDS: "sum(refunds)",
    Field.COST: "sum(cost)",
}
COUNTS = ("orders", "esims")

CELLS = """
select {number} as range, {period} as period, {currency} as currency{values},
    {bundle} as bundle_name, {measures}
from ({source}) s {dimensions}
where s.{day} >= {first} and s.{day} <= {last}{conditions}
group by {keys} {having}
"""
# Groups are ordered by their figures in the requested range. Groups that occur only in the range to compare
# with come last.
RANKED = """
with cells as ({cells}),
ranks as (
    select currency{names}, row_number() over (partition by currency order by {order}{ordered}) as rank
    from (
        select currency{names}, max(bundle_name) as bundle_name, {totals} from cells group by currency{names}
    ) t
)
select range, period, c.currency{shown}, max(bundle_name) as bundle_name, rank > {limit} as other,
    {sums}, min(rank) as rank
from cells c join ranks r on r.currency = c.currency{joined}
group by {finals}
order by range, period, currency, rank
limit {rows}
"""


async def cells(
    connection: Connection,
    wanted: Wanted,
    zone: str,
    ranges: Sequence[Ranged],
    source: Source,
    *,
    limit: int,
) -> list[Cell]:
    """Return the figures by range, period and group, at most `limit`."""
    given = Statement()
    names = [f"v{n}" for n in range(len(wanted.group_by))]
    parts = [
        _cells(given, wanted, zone, number, ranged, source) for number, ranged in enumerate(ranges)
    ]
    first = given.add(wanted.first)
    shown = [f"case when rank <= {first} then c.{name} else '' end as {name}" for name in names]
    positions = [2 + n for n in range(2 + len(names))]
    sums = Figures.__slots__  # in this order, by which they are read
    other = 3 + len(names) + 2
    query = RANKED.format(
        cells=" union all ".join(parts),
        names=_listed(names),
        order=_order(wanted),
        ordered=_listed([f'{name} collate "C"' for name in names]),
        totals=", ".join(f"sum({n}) filter (where range = 0) as {n}" for n in (*COUNTS, *AMOUNTS)),
        shown=_listed(shown),
        joined="".join(f" and r.{name} = c.{name}" for name in names),
        limit=first,
        sums=", ".join(
            f"sum({name}){'' if name in AMOUNTS else '::bigint'} as {name}" for name in sums
        ),
        finals=", ".join(map(str, (1, *positions, other))),
        rows=given.add(limit),
    )
    return [_cell(row, len(names)) for row in await connection.fetch(query, *given.values)]


def _cells(
    given: Statement, wanted: Wanted, zone: str, number: int, ranged: Ranged, source: Source
) -> str:
    day = "sold_day" if wanted.as_sold_on else "day"
    first, last = given.add(ranged.days.first), given.add(ranged.days.last)
    # Sorted and compared by bytes, which is faster than in a language.
    values = [f'{VALUES[one]} collate "C" as v{n}' for n, one in enumerate(wanted.group_by)]
    currency, measures = _measures(given, wanted.currency)
    return CELLS.format(
        number=number,
        day=day,
        period=_period(given, ranged, day, first),
        currency=currency,
        values=_listed(values),
        bundle="max(d.bundle_name)" if Dimension.PLAN in wanted.group_by else "''",
        measures=measures,
        source=sources.rows(given, source, zone, ranged, as_sold_on=wanted.as_sold_on),
        dimensions=sources.DIMENSIONS[source],
        first=first,
        last=last,
        conditions=conditions(given, wanted.filter),
        keys=", ".join(map(str, range(1, 4 + len(values)))),
        having=sources.HAVING.get(source, ""),
    )


def _period(given: Statement, ranged: Ranged, day: str, first: str) -> str:
    """Return the expression of the number of the period, from 1 on."""
    # A year before, 29 February has no day, and the day that is compared with 28 February may be two.
    if len(set(ranged.starts)) == len(ranged.starts) == ranged.days.number:
        return f"s.{day} - {first}::date + 1"
    return f"width_bucket(s.{day}, {given.add(list(ranged.starts))}::date[])"


def _measures(given: Statement, currency: str) -> tuple[str, str]:
    """Return the expressions of the currency and of the sums in it."""
    counts = [f"sum(s.{name}) as {name}" for name in COUNTS]
    if not currency:
        amounts = [f"sum(s.{name}) as {name}" for name in AMOUNTS]
        return "s.currency", ", ".join([*counts, *amounts, "0 as unconverted"])
    named = f"{given.add(currency)}::text"
    amounts = [
        f"sum(case {named} when s.currency then s.{name}"
        f" when s.converted_currency then s.converted_{name} else 0 end) as {name}"
        for name in AMOUNTS
    ]
    missing = (
        f"sum(case when {named} in (s.currency, s.converted_currency) then 0 else s.facts end)"
        " as unconverted"
    )
    return named, ", ".join([*counts, *amounts, missing])


CONDITIONS = {
    # Sums by area have an empty text where dimensions have null; both match an empty value of the filter.
    "countries": "coalesce(d.country, '') = any({}::text[])",
    "areas": "d.area = any({}::text[])",
    "regions": "d.region = any({}::text[])",
    "plans": "(d.plan_id::text = any({0}::text[]) or d.bundle_name = any({0}::text[]))",
    "durations": "d.duration_days = any({}::integer[])",
    "currencies": "d.sale_currency = any({}::text[])",
    "organization_ids": "d.organization_id = any({}::uuid[])",
    "coupon_codes": "d.coupon_code = any({}::text[])",
    "sources": "d.source = any({}::text[])",
}


def conditions(given: Statement, wanted: Filter) -> str:
    """Return the conditions on the dimensions `d` that a filter stands for."""
    found = [
        condition.format(given.add(list(values)))
        for name, condition in CONDITIONS.items()
        if (values := getattr(wanted, name))
    ]
    if wanted.unlimited is not None:
        found.append(f"d.unlimited = {given.add(wanted.unlimited)}")
    return "".join(f" and {condition}" for condition in found)


def _order(wanted: Wanted) -> str:
    """Return the first sort key of the groups; groups with equal keys are sorted by their values."""
    direction = "asc" if wanted.ascending else "desc"
    if wanted.order_by is Field.NAME:
        values = [
            f"coalesce(nullif(v{n}, '')::integer, 0)"
            if one is Dimension.DURATION
            else f'{LABELS.get(one, "{0}").format(f"v{n}")} collate "C"'
            for n, one in enumerate(wanted.group_by)
        ]
        return ", ".join(f"{value} {direction}" for value in values) or "currency"
    expression = ORDERS[wanted.order_by].replace("sum(", "(")
    return f"{expression} {direction} nulls last"


def _listed(items: Sequence[str]) -> str:
    return "".join(f", {item}" for item in items)


def _cell(row: Any, named: int) -> Cell:
    """Read a row with values of `named` dimensions; by position, which is faster than by name."""
    number, period, currency, *values = row[: 3 + named]
    bundle_name, other, *figures, rank = row[3 + named :]
    return Cell(
        number == 1,
        period - 1,
        currency,
        tuple(values),
        bundle_name,
        other,
        rank,
        Figures(*figures),
    )


STATE = f"""
select z.time_zone, {AS_OF} as as_of, s.recorded_until >= s.to_record_until as complete
from orders.sales_state s
left join orders.sales_zones z on z.time_zone = $1 and z.ready
"""  # noqa: S608 - only a constant goes in


@dataclass(frozen=True, slots=True)
class State:
    """Whether a zone is summed by day, when the data is of, and whether older facts are all recorded."""

    summed: bool
    as_of: datetime
    complete: bool


async def state(connection: Connection, zone: str) -> State:
    row: Any = await connection.fetchrow(STATE, zone)
    return State(row["time_zone"] is not None, row["as_of"], row["complete"])

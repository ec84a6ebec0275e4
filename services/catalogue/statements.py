"""SQL of lists: which index answers a filter and an order, and what is left to look at row by row."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from services.catalogue.plan import PlanFilter, PlanOrder
from services.catalogue.sorting import SORTINGS, columns, leading, sorted_by

# What `data_rank` of unlimited plans is.
UNLIMITED = 2**63 - 1
# What conditions look at, of each row that is read ahead.
NEAR = "id, updated_at, name, price, duration_days, data_rank, groups, region_keys"
# More than any plan costs: a price is below a million million.
DEAREST = Decimal(10) ** 12
# Signs of the pieces that text is found by.
PIECE = 3


class Where:
    """Conditions made of constants, and the values that stand in their places."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.values: list[Any] = []

    @property
    def sql(self) -> str:
        """All conditions together."""
        return " and ".join(self.conditions) or "true"

    def place(self, value: Any) -> str:
        """Adds a value and names its place."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, condition: str, value: Any) -> None:
        """Adds a condition with `{}` for its value; None adds nothing."""
        if value is not None:
            self.conditions.append(condition.format(self.place(value)))


def count(wanted: PlanFilter) -> tuple[str, list[Any]]:
    """SQL that counts the plans of a filter, and its values."""
    table, where = _anywhere(wanted)
    return f"select count(*) from {table} where {where.sql}", where.values  # noqa: S608 - constants


def page(
    wanted: PlanFilter, order: PlanOrder, *, size: int, after: Sequence[Any] | None
) -> tuple[str, list[Any]]:
    """SQL for one page and the first row of the next, and its values."""
    if in_bands(wanted, order):
        return _page_in_bands(wanted, order, size=size, after=after)
    whole = wanted.include_unavailable or beyond_places(wanted)
    if not reads_ahead(wanted, order) and not whole:
        table, where = _narrow(wanted, order)
        _after(where, order, after, wanted.duration_days)
        sql = (
            f"select id, updated_at, {columns(order)} from {table} where {where.sql}"  # noqa: S608 - constants
            f" order by {sorted_by(order, wanted.duration_days)} limit {where.place(size + 1)}"
        )
        return sql, where.values
    table, where = _anywhere(wanted)
    _after(where, order, after)
    # Materialized, as the planner would else read on in the index of the order, hoping to meet enough.
    sql = (
        f"with found as materialized (select id, updated_at, {columns(order)} from {table}"  # noqa: S608 - constants
        f" where {where.sql})"
        f" select id, updated_at, {columns(order)} from found"
        f" order by {sorted_by(order)} limit {where.place(size + 1)}"
    )
    return sql, where.values


def beyond_places(wanted: PlanFilter) -> bool:
    """Whether the filter has conditions that only data_plans can answer, without an index of the order."""
    days = wanted.min_days is not None or wanted.max_days is not None
    return bool(wanted.countries) or days or wanted.single_country is not None


def reads_ahead(wanted: PlanFilter, order: PlanOrder) -> bool:
    """Whether the index of the order leaves conditions open, and so a page may be near or far."""
    if wanted.include_unavailable or beyond_places(wanted) or in_bands(wanted, order):
        return False
    return bool(_open(wanted, order, Where()))


def in_bands(wanted: PlanFilter, order: PlanOrder) -> bool:
    """Whether a page is put together from those of each band of price.

    In the order of names or of data the cheap plans lie together, and mostly far from the beginning.
    """
    priced = wanted.min_price is not None or wanted.max_price is not None
    placed = _place(wanted) is not None or wanted.words
    # Few plans may have so much data, and none of a band: then its index would be read to its end.
    much = wanted.min_data_mb is not None and order is not PlanOrder.DATA_DESC
    return (
        priced
        and PRICES[0] not in _narrowing(order)
        and not (placed or much or wanted.include_unavailable or beyond_places(wanted))
    )


def _page_in_bands(
    wanted: PlanFilter, order: PlanOrder, *, size: int, after: Sequence[Any] | None
) -> tuple[str, list[Any]]:
    """SQL that reads a page of each band as it lies; prices leave out rows of the outermost two only."""
    where = Where()
    dear = where.place(DEAREST if wanted.max_price is None else wanted.max_price)
    cheap = where.place(Decimal(0) if wanted.min_price is None else wanted.min_price)
    where.conditions.append("place = 'price:' || band")
    for condition, value in _conditions(wanted):
        # No condition for an index on prices, which the planner would take, and then sort whole bands.
        where.add(f"({condition}) is true" if condition in PRICES else condition, value)
    _after(where, order, after, wanted.duration_days)
    by, most = sorted_by(order, wanted.duration_days), where.place(size + 1)
    sql = (
        f"select id, updated_at, {columns(order)}"  # noqa: S608 - constants
        f" from generate_series(catalogue.price_band({cheap}), catalogue.price_band({dear})) as band,"
        f" lateral (select id, updated_at, {', '.join(leading(order, wanted.duration_days))}"
        f" from catalogue.plan_places where {where.sql} order by {by} limit {most}) as near"
        f" order by {by} limit {most}"
    )
    return sql, where.values


def page_near(
    wanted: PlanFilter,
    order: PlanOrder,
    *,
    size: int,
    after: Sequence[Any] | None,
    most: int,
) -> tuple[str, list[Any]]:
    """SQL for a page and the row after it out of the next `most` rows in the index of the order.

    The last of these rows is in the answer anyway, to tell that there are more; `fits` says which are
    of the page.
    """
    table, where = _narrow(wanted, order)
    _after(where, order, after, wanted.duration_days)
    narrow, by = where.sql, sorted_by(order, wanted.duration_days)
    bound = where.place(most)
    fits = " and ".join(_open(wanted, order, where))
    looked_at = NEAR if _place(wanted) or not wanted.words else f"{NEAR}, search_text"
    sql = (
        f"select id, updated_at, {columns(order)}, read, ({fits}) as fits from ("  # noqa: S608 - constants
        f"select {looked_at}, row_number() over (order by {by}) as read from {table}"
        f" where {narrow} order by {by} limit {bound}) as near"
        f" where ({fits}) or read = {bound}"
        f" order by {by} limit {where.place(size + 1)}"
    )
    return sql, where.values


def _after(
    where: Where, order: PlanOrder, key: Sequence[Any] | None, duration: int | None = None
) -> None:
    if key is not None:
        found_by = leading(order, duration)
        whole = key if len(found_by) == len(key) else (duration, *key)
        places = ", ".join(where.place(value) for value in whole)
        sign = "<" if SORTINGS[order].descending else ">"
        where.conditions.append(f"({', '.join(found_by)}) {sign} ({places})")


def _place(wanted: PlanFilter) -> str | None:
    """Where to look: the narrowest place of the filter as plan_places names it."""
    if wanted.country is not None:
        return f"country:{wanted.country}"
    if wanted.region is not None:
        return f"region:{wanted.region}"
    if wanted.bundle_group is not None:
        return f"group:{wanted.bundle_group}"
    return None if wanted.unlimited is None else f"unlimited:{str(wanted.unlimited).lower()}"


def _narrow(wanted: PlanFilter, order: PlanOrder) -> tuple[str, Where]:
    """A table, and conditions on it that one index answers together with the order."""
    where = Where()
    place = _place(wanted)
    if place is None:
        table = "catalogue.data_plans"
        where.conditions.append("offered")
    else:
        table = "catalogue.plan_places"
        where.add("place = {}", place)
    for condition, value in _conditions(wanted):
        if condition in _narrowing(order):
            where.add(condition, value)
    return table, where


# Not "=", by which the planner takes the column for settled: then it chooses an index without it, and
# reads on and on where plans of this duration lie far away.
DURATION = "duration_days between {0} and {0}"
PRICES = ("price >= {}", "price <= {}")
AMOUNTS = ("data_rank >= {}", "data_rank = {}", "data_rank < {}")


def _narrowing(order: PlanOrder) -> tuple[str, ...]:
    """The conditions that the index of the order answers: every order has one for each duration."""
    match order:
        case PlanOrder.PRICE_ASC | PlanOrder.PRICE_DESC:
            return (DURATION, *PRICES)
        case PlanOrder.DATA_DESC:
            return (DURATION, *AMOUNTS)
        case PlanOrder.NAME | PlanOrder.DURATION_ASC:
            return (DURATION,)


def _conditions(wanted: PlanFilter) -> list[tuple[str, Any]]:
    """Conditions on columns that both tables have; None is none."""
    return [
        (DURATION, wanted.duration_days),
        (PRICES[0], wanted.min_price),
        (PRICES[1], wanted.max_price),
        (AMOUNTS[0], wanted.min_data_mb),
        (AMOUNTS[1], UNLIMITED if wanted.unlimited else None),
        (AMOUNTS[2], UNLIMITED if wanted.unlimited is False else None),
    ]


def _open(wanted: PlanFilter, order: PlanOrder, where: Where) -> list[str]:
    """The conditions that its index leaves open, on rows named `near`."""
    found = Where()
    found.values = where.values
    for condition, value in _conditions(wanted):
        if condition not in _narrowing(order):
            found.add(condition, value)
    if wanted.country is not None:
        found.add("region_keys @> array[{}::text]", wanted.region)
    if wanted.country is not None or wanted.region is not None:
        found.add("groups @> array[{}::text]", wanted.bundle_group)
    texts = [f"strpos(search_text, {where.place(word)}) > 0" for word in wanted.words]
    if texts and _place(wanted) is not None:
        texts = [
            f"(select {' and '.join(texts)} from catalogue.data_plans plan where plan.id = near.id)"  # noqa: S608 - constants
        ]
    return found.conditions + texts


def _anywhere(wanted: PlanFilter) -> tuple[str, Where]:
    """A table, and all conditions of the filter on it."""
    where = Where()
    place = _place(wanted)
    if place is None or wanted.words or wanted.include_unavailable or beyond_places(wanted):
        return "catalogue.data_plans", of_plans(wanted)
    where.add("place = {}", place)
    if wanted.country is not None:
        where.add("region_keys @> array[{}::text]", wanted.region)
    if wanted.country is not None or wanted.region is not None:
        where.add("groups @> array[{}::text]", wanted.bundle_group)
    for condition, value in _conditions(wanted):
        where.add(condition, value)
    return "catalogue.plan_places", where


def of_plans(wanted: PlanFilter) -> Where:
    """All conditions of the filter on data_plans."""
    where = Where()
    if not wanted.include_unavailable:
        where.conditions.append("offered")
    elif wanted.min_price is not None or wanted.max_price is not None:
        where.add("currency = {}", wanted.currency)  # withdrawn ones may have another
    where.add("country_keys @> array[{}::text]", wanted.country)
    where.add("country_keys @> {}::text[]", list(wanted.countries) or None)
    where.add("region_keys @> array[{}::text]", wanted.region)
    where.add("groups @> array[{}::text]", wanted.bundle_group)
    where.add("duration_days >= {}", wanted.min_days)
    where.add("duration_days <= {}", wanted.max_days)
    where.add("(jsonb_array_length(countries) = 1) = {}", wanted.single_country)
    for condition, value in _conditions(wanted):
        where.add(condition, value)
    where.add("catalogue.pieces(search_text) @> {}::text[]", _pieces(wanted.words) or None)
    for word in wanted.words:
        where.add("strpos(search_text, {}) > 0", word)
    return where


def _pieces(words: Sequence[str]) -> list[str]:
    """As catalogue.pieces gives them for a text that has these words."""
    return sorted({word[i : i + PIECE] for word in words for i in range(len(word) - PIECE + 1)})

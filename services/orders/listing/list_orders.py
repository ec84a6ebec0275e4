"""Lists of orders: one page by key, and the bounded count of all pages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.auth.sessions import STAFF, Session
from kit.db.database import Connection, Database
from services.orders.order import Order, OrderStatus
from services.orders.organizations import membership
from services.orders.organizations.membership import BUYING, MANAGING
from services.orders.store import COLUMNS, read_row

# Counting reads index entries one by one, so it stops here.
MAX_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """A filter of orders; a field that is None or empty matches all. `after` is where the last page ended."""

    statuses: Sequence[OrderStatus] = ()
    since: datetime | None = None
    until: datetime | None = None
    customer_id: UUID | None = None
    organization_id: UUID | None = None
    group_id: UUID | None = None
    own: bool = False  # only orders that customers placed for themselves
    after: tuple[datetime, UUID] | None = None


class Statement:
    """The SQL of a filter, with only the conditions in use, so that an index serves them."""

    def __init__(self, criteria: OrderFilter, limit: int) -> None:
        self.values: list[Any] = []
        self._wanted = criteria
        self._limit = self._place(limit)
        self._conditions = [
            f"{condition} {self._place(value)}"
            for condition, value in (
                ("o.customer_id =", criteria.customer_id),
                ("o.organization_id =", criteria.organization_id),
                ("o.group_id =", criteria.group_id),
                ("o.created_at >=", criteria.since),
                ("o.created_at <", criteria.until),
            )
            if value is not None
        ]
        if criteria.own:
            self._conditions.append("o.organization_id is null")
        if criteria.after is not None:
            created_at, order_id = map(self._place, criteria.after)
            self._conditions.append(f"(o.created_at, o.id) < ({created_at}, {order_id})")

    def page(self) -> str:
        """Return the statement for the newest rows, at most the limit."""
        rows = self._rows(COLUMNS)
        return f"{rows} order by o.created_at desc, o.id desc limit {self._limit}"

    def count(self) -> str:
        """Return the statement for the number of rows, at most the limit."""
        rows = self._rows("o.id")
        return f"select count(*)::int from ({rows} limit {self._limit}) as counted"  # noqa: S608 - constants and places

    def _rows(self, columns: str) -> str:
        statuses = list(self._wanted.statuses)
        if not statuses:
            return self._select(columns, self._conditions)
        place = self._place(statuses)
        if (self._wanted.customer_id or self._wanted.organization_id) is not None:
            # `is true` keeps PostgreSQL from using the index of the status instead of the customer's, or
            # the organization's.
            return self._select(
                columns, [*self._conditions, f"(o.status = any({place}::text[])) is true"]
            )
        # Reads at most a page from the index of each status, instead of all orders until enough match.
        one = self._select(COLUMNS, [*self._conditions, "o.status = wanted.status"])
        newest = f"{one} order by o.created_at desc, o.id desc limit {self._limit}"
        return (
            f"select {columns} from unnest({place}::text[]) as wanted (status)"  # noqa: S608 - constants and places
            f" cross join lateral ({newest}) as o"
        )

    def _select(self, columns: str, conditions: Sequence[str]) -> str:
        condition = " and ".join(conditions) or "true"
        return f"select {columns} from orders.esim_orders o where {condition}"  # noqa: S608 - constants and places

    def _place(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


async def as_member(database: Database, session: Session, criteria: OrderFilter) -> OrderFilter:
    """Return the filter of an organization's orders for what the caller's role may see; any other unchanged.

    Raises Failure NOT_FOUND (ORGANIZATION_NOT_FOUND) and FORBIDDEN (MEMBER_ROLE_INSUFFICIENT).
    """
    if criteria.organization_id is None or session.role in STAFF:
        return criteria
    if session.user_id is None:
        raise membership.not_found()
    async with database.system() as connection:
        member = await membership.find(connection, criteria.organization_id, session.user_id)
    member.require(BUYING)
    # Row security hides the orders of others from a buyer too, but only the condition uses an index.
    return criteria if member.role in MANAGING else replace(criteria, customer_id=session.user_id)


async def list_orders(connection: Connection, criteria: OrderFilter, limit: int) -> list[Order]:
    """Return at most `limit` orders, newest first."""
    statement = Statement(criteria, limit)
    sql = statement.page()
    return [read_row(row) for row in await connection.fetch(sql, *statement.values)]


async def count_orders(connection: Connection, criteria: OrderFilter) -> int:
    """Return how many orders match on all pages together; counting stops at MAX_COUNTED."""
    everywhere = replace(criteria, after=None)
    statement = Statement(everywhere, MAX_COUNTED)
    sql = statement.count()
    return int(await connection.fetchval(sql, *statement.values))

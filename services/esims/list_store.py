"""SQL of pages of eSIMs; every function takes the connection and commits nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.esims import store
from services.esims.esim import ESIM, ESIMStatus


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of eSIMs; a field that is None matches all.

    `customer_id` is who bought them. `person` is who bought them or travels with them; without an
    organization, these are the eSIMs that they bought for themselves, and all that they travel with. `buys`
    is False for a person who may not buy for the organization, so only travels.
    """

    statuses: Sequence[ESIMStatus] | None = None
    customer_id: UUID | None = None
    iccid: str | None = None
    organization_id: UUID | None = None
    group_id: UUID | None = None
    traveler_id: UUID | None = None
    person: UUID | None = None
    buys: bool = True


class Source(Enum):
    """What limits a list of eSIMs.

    PostgreSQL uses an index neither for a condition with "is null or", nor for several with "or", nor for
    the row security policies. So each source has statements of its own.
    """

    ALL = auto()
    CUSTOMER = auto()
    OWN = auto()
    ORGANIZATION = auto()
    GROUP = auto()
    TRAVELER = auto()
    BUYER = auto()
    MEMBER = auto()


# Conditions that an index answers, of which an eSIM meets any; {a}, {b}, {c} are parameters.
CONDITIONS = {
    Source.ALL: ["true"],
    Source.CUSTOMER: [
        "customer_id = {a} and ({b}::uuid is null or organization_id = {b})"
        " and ({c}::uuid is null or group_id = {c})"
    ],
    Source.OWN: ["organization_id is null and customer_id = {a}", "traveler_user_id = {a}"],
    Source.ORGANIZATION: ["organization_id = {a}"],
    Source.GROUP: ["organization_id = {a} and group_id = {b}"],
    Source.TRAVELER: [
        "traveler_id = {a} and ({b}::uuid is null or organization_id = {b})"
        " and ({c}::uuid is null or group_id = {c})"
    ],
    Source.BUYER: [
        "organization_id = {a} and customer_id = {b} and ({c}::uuid is null or group_id = {c})",
        "organization_id = {a} and traveler_user_id = {b} and ({c}::uuid is null or group_id = {c})",
    ],
    Source.MEMBER: [
        "organization_id = {a} and traveler_user_id = {b} and ({c}::uuid is null or group_id = {c})"
    ],
}
MATCHES = "($1::text[] is null or status = any($1)) and ($2::text is null or iccid = $2)"
# Without "is null or" or coalesce, which a generic plan under row security can't look up in an index: a late
# page would read all before it.
FOLLOWS = "(created_at, id) < ($4::timestamptz, $5::uuid)"
# The position of the first page: after nothing.
FIRST = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))
NEWEST = "order by created_at desc, id desc limit $3"
# Counting reads index entries one by one, so it stops here.
MAX_COUNTED = 10_000


def _conditions(source: Source, first: int) -> list[str]:
    """Return the conditions of a source, whose parameters begin with this number."""
    places = {name: f"${first + at}" for at, name in enumerate("abc")}
    return [condition.format(**places) for condition in CONDITIONS[source]]


def _page(source: Source) -> str:
    """Return the statement of a page; with several conditions, it unites the newest eSIMs of each."""
    parts = [f"{part} and {MATCHES} and {FOLLOWS}" for part in _conditions(source, 6)]
    if len(parts) > 1:
        newest = [
            f"(select id from esims.esims where {part} {NEWEST})"  # noqa: S608 - constants only
            for part in parts
        ]
        parts = [f"id in ({' union '.join(newest)})"]
    return f"select {store.COLUMNS} from esims.esims where {parts[0]} {NEWEST}"  # noqa: S608 - constants only


def _count(source: Source) -> str:
    parts = [
        f"(select id from esims.esims where {part} and {MATCHES} limit {MAX_COUNTED})"  # noqa: S608 - constants only
        for part in _conditions(source, 3)
    ]
    return f"select least(count(*), {MAX_COUNTED})::int from ({' union '.join(parts)}) as counted"  # noqa: S608 - constants only


PAGES = {source: _page(source) for source in Source}
COUNTS = {source: _count(source) for source in Source}


def source_of(criteria: Filter) -> tuple[Source, list[Any]]:
    """Return the source of a filter, with its parameters."""
    organization_id, group_id = criteria.organization_id, criteria.group_id
    if criteria.traveler_id is not None:  # row security limits them to what the person may see
        return Source.TRAVELER, [criteria.traveler_id, organization_id, group_id]
    if criteria.person is not None and organization_id is not None:
        member = Source.BUYER if criteria.buys else Source.MEMBER
        return member, [organization_id, criteria.person, group_id]
    if criteria.person is not None:
        return Source.OWN, [criteria.person]
    if criteria.customer_id is not None:
        return Source.CUSTOMER, [criteria.customer_id, organization_id, group_id]
    if group_id is not None:
        return Source.GROUP, [organization_id, group_id]
    if organization_id is not None:
        return Source.ORGANIZATION, [organization_id]
    return Source.ALL, []


async def list_page(
    connection: Connection, criteria: Filter, after: tuple[datetime, UUID] | None, size: int
) -> list[ESIM]:
    """Return up to `size` eSIMs, newest first, that follow the creation time and id `after`."""
    source, parameters = source_of(criteria)
    created_at, last_id = after or FIRST
    arguments = [criteria.statuses, criteria.iccid, size, created_at, last_id, *parameters]
    return [store.read_row(row) for row in await connection.fetch(PAGES[source], *arguments)]


async def count(connection: Connection, criteria: Filter) -> int:
    """Return how many eSIMs match the filter; counting stops at MAX_COUNTED."""
    source, parameters = source_of(criteria)
    arguments = [criteria.statuses, criteria.iccid, *parameters]
    return int(await connection.fetchval(COUNTS[source], *arguments))

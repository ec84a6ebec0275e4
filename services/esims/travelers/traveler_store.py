"""SQL of travelers; every function takes the connection and commits nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.esims.esim import Traveler


@dataclass(frozen=True, slots=True)
class Owner:
    """Who named a traveler: an organization, or else a customer for an eSIM of their own."""

    organization_id: UUID | None
    customer_id: UUID


# The update changes nothing, but returns the row. Sorted, so that transactions lock rows in one order.
FIND_OR_ADD = """
    with given as (
        select g.name, g.email, g.user_id, g.place
        from unnest($3::text[], $4::text[], $5::uuid[]) with ordinality as g(name, email, user_id, place)
    ), found as (
        insert into esims.travelers as t (organization_id, owner_id, name, email, user_id)
        select $1::uuid, $2::uuid, n.name, n.email, n.user_id
        from (
            select distinct on (lower(name), lower(email), user_id) name, email, user_id
            from given order by lower(name), lower(email), user_id, place
        ) n
        on conflict (
            coalesce(organization_id, owner_id), lower(email), lower(name),
            coalesce(user_id, '00000000-0000-0000-0000-000000000000')
        ) where name <> '' or email <> ''
        do update set updated_at = t.updated_at
        returning id, name, email, user_id
    )
    select f.id from given g
    join found f on lower(f.name) = lower(g.name) and lower(f.email) = lower(g.email)
        and f.user_id is not distinct from g.user_id
    order by g.place
"""


async def find_or_add(
    connection: Connection, owner: Owner, travelers: Sequence[Traveler]
) -> list[UUID]:
    """Return the id of each traveler; the same name, address and account is the same traveler."""
    rows = await connection.fetch(
        FIND_OR_ADD,
        owner.organization_id,
        None if owner.organization_id else owner.customer_id,
        [traveler.name for traveler in travelers],
        [traveler.email for traveler in travelers],
        [traveler.user_id for traveler in travelers],
    )
    return [row["id"] for row in rows]


ASSIGN = """
    update esims.esims e set traveler_id = n.traveler_id, traveler_user_id = n.user_id, updated_at = now()
    from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as n(esim_id, traveler_id, user_id)
    where e.id = n.esim_id
"""


async def assign(connection: Connection, owner: Owner, travelers: Mapping[UUID, Traveler]) -> None:
    """Make each the traveler of an eSIM of the owner, by the eSIM's id; the rows are locked or new."""
    esim_ids, named = list(travelers), list(travelers.values())
    traveler_ids = await find_or_add(connection, owner, named)
    await connection.execute(ASSIGN, esim_ids, traveler_ids, [t.user_id for t in named])


async def set_traveler(connection: Connection, esim_id: UUID, traveler: Traveler | None) -> None:
    """Set the stored traveler of an eSIM, whose row is locked; None: no traveler."""
    traveler_id, user_id = (traveler.id, traveler.user_id) if traveler else (None, None)
    await connection.execute(ASSIGN, [esim_id], [traveler_id], [user_id])


SELECT_MANY = "select id, name, email, user_id from esims.travelers where id = any($1::uuid[])"


async def get_many(connection: Connection, ids: Sequence[UUID]) -> list[Traveler]:
    """Return those that the session may see, in no particular order."""
    return [_traveler(row) for row in await connection.fetch(SELECT_MANY, ids)]


SELECT_PAGE = """
    select id, name, email, user_id, created_at from esims.travelers
    where coalesce(organization_id, owner_id) = $1 and organization_id is not distinct from $2
      and (name <> '' or email <> '')
      and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
    order by created_at desc, id desc
    limit $5
"""


async def list_page(
    connection: Connection,
    organization_id: UUID | None,
    customer_id: UUID | None,
    after: tuple[datetime, UUID] | None,
    size: int,
) -> list[tuple[Traveler, datetime]]:
    """Return up to `size` travelers of an organization or a customer, newest first, each with its time."""
    created_at, last_id = after or (None, None)
    rows = await connection.fetch(
        SELECT_PAGE, organization_id or customer_id, organization_id, created_at, last_id, size
    )
    return [(_traveler(row), row["created_at"]) for row in rows]


WITHOUT_ACCOUNT = (
    "lower(t.email) = any(select lower(e) from unnest($1::text[]) e) and t.user_id is null"
)
LOCK_ESIMS_OF = f"""
    select id from esims.esims
    where traveler_id in (select t.id from esims.travelers t where {WITHOUT_ACCOUNT})
    order by id for update
"""  # noqa: S608 - constants only


async def lock_esims_of(connection: Connection, emails: Sequence[str]) -> None:
    """Lock the eSIMs of travelers without an account who have one of these addresses."""
    await connection.fetch(LOCK_ESIMS_OF, list(emails))


ERASE_BY_EMAIL = f"""
    update esims.travelers t set name = '', email = '', updated_at = now()
    where {WITHOUT_ACCOUNT} returning t.id
"""  # noqa: S608 - constants only


async def erase_by_email(connection: Connection, emails: Sequence[str]) -> list[UUID]:
    """Erase travelers without an account who have one of these addresses, and return their ids."""
    return [row["id"] for row in await connection.fetch(ERASE_BY_EMAIL, list(emails))]


UNASSIGN_ALL = """
    update esims.esims set traveler_id = null, updated_at = now()
    where traveler_id = any($1::uuid[]) returning id
"""


async def unassign_all(connection: Connection, traveler_ids: Sequence[UUID]) -> list[UUID]:
    """Take all eSIMs from these travelers, who have no account, and return the eSIMs' ids."""
    return [row["id"] for row in await connection.fetch(UNASSIGN_ALL, traveler_ids)]


# Two travelers who differed only by their addresses would be the same one: the second loses its name too.
FORGET_ADDRESSES = """
    with found as (
        select t.id, row_number() over same > 1 or exists (
            select from esims.travelers o
            where coalesce(o.organization_id, o.owner_id) = coalesce(t.organization_id, t.owner_id)
                and o.email = '' and lower(o.name) = lower(t.name) and o.user_id = t.user_id
        ) as taken
        from esims.travelers t
        where lower(t.email) = any(select lower(e) from unnest($1::text[]) e)
        window same as (
            partition by coalesce(t.organization_id, t.owner_id), lower(t.name), t.user_id order by t.id
        )
    )
    update esims.travelers t
    set email = '', name = case when f.taken then '' else t.name end, updated_at = now()
    from found f where f.id = t.id
"""


async def forget_addresses(connection: Connection, emails: Sequence[str]) -> None:
    """Remove these addresses from all travelers that have one."""
    await connection.execute(FORGET_ADDRESSES, list(emails))


def _traveler(row: Any) -> Traveler:
    return Traveler(row["id"], row["name"], row["email"], row["user_id"])

"""Lists eSIMs page by page, refreshing stale ones first if the caller requests it."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from services.esims import bundle_store, list_store, store
from services.esims.bundle import Bundle
from services.esims.esim import ESIM
from services.esims.list_store import Filter
from services.esims.snapshots.fetch import Fetcher
from services.esims.travelers import membership_store
from services.esims.travelers.membership_store import MANAGING, MemberRole


@dataclass(frozen=True, slots=True)
class Page:
    """A request for up to `size` eSIMs, newest first, that follow the creation time and id `after`.

    `fresh` refreshes stale ones first, `bundles` adds their bundles, `total` counts the eSIMs of all pages.
    """

    criteria: Filter
    after: tuple[datetime, UUID] | None
    size: int
    fresh: bool
    bundles: bool
    total: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """The eSIMs of a page, whether more follow, their bundles, and the count of all pages.

    `bundles` is empty and `total` is 0 where the page does not request them.
    """

    esims: list[ESIM]
    more: bool
    bundles: list[Bundle]
    total: int


async def list_page(
    database: Database, fetcher: Fetcher, session: Session, page: Page, time_left: float | None
) -> Listed:
    """Return the part of a page that the session may see.

    A refresh takes `time_left` seconds at most. Raises Failure as `visible` does.
    """
    async with database.session(session) as connection:
        criteria = await visible(connection, session, page.criteria)
        found = await list_store.list_page(connection, criteria, page.after, page.size + 1)
        total = await list_store.count(connection, criteria) if page.total else 0
    esims, more = found[: page.size], len(found) > page.size
    if page.fresh:
        await fetcher.refresh(esims, time_left=time_left)
    bundles: list[Bundle] = []
    if page.fresh or page.bundles:
        ids = [esim.id for esim in esims]
        async with database.session(session) as connection:
            now = {esim.id: esim for esim in await store.get_many(connection, ids)}
            if page.bundles:
                bundles = await bundle_store.list_of_esims(connection, ids)
        esims = [now.get(esim.id, esim) for esim in esims]
    return Listed(esims, more, bundles, total)


async def visible(connection: Connection, session: Session, criteria: Filter) -> Filter:
    """Return the filter limited to what the session may see, by the role in the organization that it names.

    Only administrators and services see the eSIMs of others. Raises Failure FORBIDDEN if another session
    names a customer, and NOT_FOUND (ORGANIZATION_NOT_FOUND) for an organization of which it is no member.
    """
    if session.role in SUFFICIENT[Role.ADMIN]:
        return criteria
    user_id = session.user_id
    if criteria.customer_id not in (None, user_id) or user_id is None:
        raise Failure(
            Kind.FORBIDDEN,
            "FORBIDDEN",
            "Not allowed: only administrators may set filter.customer_id; omit it to list your own eSIMs",
        )
    if criteria.organization_id is None:
        return replace(criteria, customer_id=None, person=user_id)
    role = await membership_store.role_of(connection, criteria.organization_id, user_id)
    if role is None:
        raise membership_store.not_found()
    if role in MANAGING:
        return criteria
    return replace(criteria, person=user_id, buys=role is MemberRole.BUYER)

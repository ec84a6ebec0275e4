"""Lists eSIMs page by page, refreshing stale ones first if the caller asks for it."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from kit.auth.sessions import SUFFICIENT, Role, Session
from kit.db.database import Database
from kit.errors import Failure, Kind
from services.esims import bundle_store, store
from services.esims.bundle import Bundle
from services.esims.esim import ESIM
from services.esims.snapshots.fetch import Fetcher
from services.esims.store import Filter


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

    `bundles` is empty and `total` is 0 where the page does not ask for them.
    """

    esims: list[ESIM]
    more: bool
    bundles: list[Bundle]
    total: int


async def list_page(
    database: Database, fetcher: Fetcher, session: Session, page: Page, time_left: float | None
) -> Listed:
    """Return the part of a page that the session may see.

    Only administrators and services see the eSIMs of others. A refresh takes `time_left` seconds at most.
    Raises Failure FORBIDDEN if another session names a customer.
    """
    criteria = page.criteria
    if session.role not in SUFFICIENT[Role.ADMIN]:
        if criteria.customer_id not in (None, session.user_id):
            raise Failure(
                Kind.FORBIDDEN,
                "FORBIDDEN",
                "Not allowed: only administrators may set filter.customer_id; omit it to list"
                " your own eSIMs",
            )
        criteria = replace(criteria, customer_id=session.user_id)
    async with database.session(session) as connection:
        found = await store.list_page(connection, criteria, page.after, page.size + 1)
        total = await store.count(connection, criteria) if page.total else 0
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

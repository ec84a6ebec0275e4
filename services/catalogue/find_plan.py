"""Finds the prices that a request is answered with, and single plans."""

from collections.abc import Sequence
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import store
from services.catalogue.curation.plan_messages import plan_messages
from services.catalogue.language.locales import ENGLISH
from services.catalogue.paging import PlanVersion
from services.catalogue.price_lists import COSTS, Prices, Source, choose, parsed


async def prices(connection: Connection, currency: str = "") -> Prices:
    """Return the prices in a currency now; raises Failure INVALID (UNKNOWN_CURRENCY)."""
    revision = await store.revision(connection)
    return Prices(revision.number, await choose(connection, revision, currency))


class Lookup:
    """Finds plans by id or name with one statement while the price lists are those of the call before.

    The statement reads the price lists too, and is repeated if they changed.
    """

    def __init__(self) -> None:
        self._lists = "[]"

    async def find(
        self,
        connection: Connection,
        currency: str,
        *,
        ids: Sequence[UUID] = (),
        names: Sequence[str] = (),
    ) -> tuple[Source, list[PlanVersion]]:
        """Return the source for a currency, and the plans that exist; withdrawn and hidden ones included.

        Raises Failure INVALID (UNKNOWN_CURRENCY).
        """
        expected = self._expected(currency)
        if expected is not None:
            lists, found = await store.find_versions(connection, expected, ids, names)
            if lists == self._lists:
                return expected, found
        revision = await store.revision(connection)
        source = await choose(connection, revision, currency)
        lists, found = await store.find_versions(connection, source, ids, names)
        self._lists = lists or self._lists
        return source, found

    def _expected(self, currency: str) -> Source | None:
        lists = parsed(self._lists)
        if not currency:
            return Source(lists[0]) if lists else COSTS
        return next((Source(one) for one in lists if one.currency == currency), None)


async def by_id(connection: Connection, plan_id: UUID, locale: str = ENGLISH) -> pb.DataPlan:
    """Return one plan at the default list's price; raises Failure NOT_FOUND (PLAN_NOT_FOUND)."""
    source = (await prices(connection)).source
    found = await store.plans_by_ids(connection, source, [plan_id])
    if not found:
        raise unknown(str(plan_id))
    [message] = await plan_messages(connection, found, locale)
    return message


def unknown(name: str) -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        "PLAN_NOT_FOUND",
        f"There is no plan {name}; check its id or bundle name",
    )

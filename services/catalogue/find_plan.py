"""Finds the prices that a request is answered with, and single plans."""

from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import store
from services.catalogue.curation.plan_messages import plan_messages
from services.catalogue.locales import ENGLISH
from services.catalogue.price_lists import Prices, choose


async def prices(connection: Connection, currency: str = "") -> Prices:
    """Return the prices in a currency now; raises Failure INVALID (UNKNOWN_CURRENCY)."""
    revision = await store.revision(connection)
    return Prices(revision.number, await choose(connection, revision, currency))


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
        f"There is no plan {name}; call ListPlans for the existing ones",
    )

"""Makes the messages of plans, with what administrators added to them."""

from collections.abc import Sequence

from kit.db.database import Connection
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue.curation import store
from services.catalogue.curation.curated import NOTHING
from services.catalogue.language.locales import ENGLISH
from services.catalogue.messages import plan_message
from services.catalogue.plan import Plan


async def plan_messages(
    connection: Connection, plans: Sequence[Plan], locale: str = ENGLISH
) -> list[pb.DataPlan]:
    """Return the messages of plans, with their texts in a canonical locale."""
    found = await store.curated(connection, [plan.id for plan in plans], locale)
    return [plan_message(plan, found.get(plan.id, NOTHING), locale) for plan in plans]

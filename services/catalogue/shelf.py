"""Plans' messages kept in memory, each for as long as its row stays as it was."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from kit.db import Connection
from protos.catalogue.v1 import catalogue_pb2 as pb
from services.catalogue import store
from services.catalogue.messages import plan_message

# Plans read and turned into messages at once: some 25 ms in which other calls wait.
BATCH = 500


class Shelf:
    """Making the message of a row takes ten times as long as finding the row.

    A row is known by its id and the time it last changed. At some 2 kB a plan this is 10 MB for
    the provider's whole catalogue, and it holds no more than that.
    """

    def __init__(self) -> None:
        self._messages: dict[UUID, tuple[datetime, pb.DataPlan]] = {}

    async def messages(
        self, connection: Connection, versions: Sequence[tuple[UUID, datetime]]
    ) -> list[pb.DataPlan]:
        """The plans' messages in the order given; treat them as read-only."""
        stale = [plan for plan, changed in versions if not self._has(plan, changed)]
        for start in range(0, len(stale), BATCH):
            for plan in await store.plans_by_ids(connection, stale[start : start + BATCH]):
                self._messages[plan.id] = (plan.updated_at, plan_message(plan))
        return [self._messages[plan][1] for plan, _ in versions]

    def _has(self, plan: UUID, changed: datetime) -> bool:
        kept = self._messages.get(plan)
        return kept is not None and kept[0] == changed

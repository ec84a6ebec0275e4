"""The gRPC methods for operators."""

from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs import log
from kit.rpc.call import Context
from kit.values import checks
from protos.webhooks.v1 import webhooks_pb2 as pb
from protos.webhooks.v1 import webhooks_pb2_grpc
from webhooks import customer_store, event_store, requests
from webhooks.event_store import Filter
from webhooks.messages import STATES, event_to_proto
from webhooks.reading import read_stored

# Events without an owner that are read at a time.
STEP = 200


class WebhooksServicer(webhooks_pb2_grpc.WebhooksServiceServicer):
    """Checks and answers requests; `wakes` are called when there are events to deliver."""

    def __init__(self, database: Database, wakes: Sequence[Callable[[], None]]) -> None:
        self._database = database
        self._wakes = wakes

    async def ListEvents(
        self, request: pb.ListEventsRequest, context: Context
    ) -> pb.ListEventsResponse:
        criteria, after, size = requests.listing(request)
        async with self._database.system() as connection:
            found = await event_store.list_events(connection, criteria, after, size + 1)
        page = found[:size]
        return pb.ListEventsResponse(
            events=map(event_to_proto, page),
            next_page_token=requests.next_page(request, page[-1]) if len(found) > size else "",
        )

    async def GetEvent(self, request: pb.GetEventRequest, context: Context) -> pb.GetEventResponse:
        event_id = checks.one_id("event_id", request.event_id)
        async with self._database.system() as connection:
            found = await event_store.get(connection, event_id)
        if found is None:
            raise Failure(
                Kind.NOT_FOUND, "EVENT_NOT_FOUND", "No callback has this id; list the callbacks"
            )
        event, body, headers = found
        text = log.ACTIVATION_CODE.sub("[activation code]", body.decode(errors="replace"))
        return pb.GetEventResponse(event=event_to_proto(event), body=text, headers=headers)

    async def ReplayEvents(
        self, request: pb.ReplayEventsRequest, context: Context
    ) -> pb.ReplayEventsResponse:
        criteria = requests.replay(request)
        async with self._database.system() as connection:
            replayed = await event_store.replay(connection, criteria)
        # After the replay, which would reset events that get their owner here.
        adopted, not_understood = await self._adopt(criteria)
        for wake in self._wakes:
            wake()
        return pb.ReplayEventsResponse(replayed=replayed + adopted, not_understood=not_understood)

    async def GetStats(self, request: pb.GetStatsRequest, context: Context) -> pb.GetStatsResponse:
        async with self._database.system() as connection:
            counts, stored, repeats = await event_store.counts(connection)
            oldest, _ = await event_store.undelivered(connection)
        return pb.GetStatsResponse(
            counts=[pb.Count(type=t, state=STATES[s], events=n) for t, s, n in counts],
            oldest_pending_seconds=oldest.age,
            stored=stored,
            repeats=repeats,
        )

    async def ExportEvents(
        self, request: pb.ExportEventsRequest, context: Context
    ) -> AsyncIterator[pb.ExportEventsResponse]:
        for event_id in await customer_store.find(self._database, requests.iccids(request.iccids)):
            found = await customer_store.read(self._database, event_id)
            if found is not None:
                event, body = found
                yield pb.ExportEventsResponse(
                    event=event_to_proto(event), body=body.decode(errors="replace")
                )

    async def EraseEvents(
        self, request: pb.EraseEventsRequest, context: Context
    ) -> pb.EraseEventsResponse:
        erased = await customer_store.erase(self._database, requests.iccids(request.iccids))
        return pb.EraseEventsResponse(events=erased)

    async def _adopt(self, criteria: Filter) -> tuple[int, int]:
        """Interpret unowned events again; return how many got an owner, and how many still have none."""
        last, adopted, unowned = UUID(int=0), 0, 0
        while True:
            async with self._database.system() as connection:
                rows = await event_store.list_unowned(connection, criteria, last, STEP)
                read = [(event_id, read_stored(body, sent)) for event_id, body, sent in rows]
                owned = [(i, u.owner, u.iccid) for i, u in read if u.owner is not None]
                await event_store.adopt(connection, owned)
            adopted += len(owned)
            unowned += len(rows) - len(owned)
            if len(rows) < STEP:
                return adopted, unowned
            last = rows[-1][0]

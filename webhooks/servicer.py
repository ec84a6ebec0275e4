"""The gRPC methods for operators: proto in, call, proto out."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from kit import log, page_token, timestamps
from kit.checks import Checks
from kit.db import Database
from kit.errors import Failure, Kind, invalid
from kit.operator_log import Acts
from kit.rpc_guard import Access
from protos.webhooks.v1 import webhooks_pb2 as pb
from protos.webhooks.v1 import webhooks_pb2_grpc
from webhooks import customer, overview
from webhooks.deliveries import State
from webhooks.overview import Event, Filter
from webhooks.understand import understand

ACCESS: Mapping[str, Access] = {
    "ListEvents": Access.ADMIN,
    "GetEvent": Access.ADMIN,
    "ReplayEvents": Access.ADMIN,
    "GetStats": Access.ADMIN,
    "ExportEvents": Access.SERVICE,
    "EraseEvents": Access.SERVICE,
}
# Logged with these fields where an administrator or an operator makes the call.
ACTS: Acts = {
    "ReplayEvents": ("event_ids", "filter"),
    "ExportEvents": (),
    "EraseEvents": (),
}
USUAL_PAGE, MOST_PER_PAGE, MOST_IDS = 50, 500, 1_000
# Bodies that are read at a time when events without an owner are replayed.
STEP = 200
STATES = {
    State.PENDING: pb.DELIVERY_STATE_PENDING,
    State.DELIVERED: pb.DELIVERY_STATE_DELIVERED,
    State.DEAD: pb.DELIVERY_STATE_DEAD,
    State.KEPT: pb.DELIVERY_STATE_KEPT,
    State.FOREIGN: pb.DELIVERY_STATE_FOREIGN,
}
STATES_BACK = {number: state for state, number in STATES.items()}


class WebhooksServicer(webhooks_pb2_grpc.WebhooksServiceServicer):
    """Checks requests and answers them; `wakes` are told that there is something to hand over."""

    def __init__(self, database: Database, wakes: Sequence[Callable[[], None]]) -> None:
        self._database = database
        self._wakes = wakes

    async def ListEvents(
        self, request: pb.ListEventsRequest, context: Any
    ) -> pb.ListEventsResponse:
        checks = Checks()
        size = checks.page_size(request.page_size, USUAL_PAGE, MOST_PER_PAGE)
        wanted = _filter(checks, request.filter)
        checks.done()
        async with self._database.system() as connection:
            found = await overview.list_events(connection, wanted, _after(request), size + 1)
        page = found[:size]
        token = ""
        if len(found) > size:
            token = page_token.write(request, [page[-1].received_at.isoformat(), str(page[-1].id)])
        return pb.ListEventsResponse(events=map(_to_proto, page), next_page_token=token)

    async def GetEvent(self, request: pb.GetEventRequest, context: Any) -> pb.GetEventResponse:
        checks = Checks()
        event_id = checks.uuid("event_id", request.event_id)
        checks.done()
        async with self._database.system() as connection:
            found = await overview.get(connection, event_id)
        if found is None:
            raise Failure(Kind.NOT_FOUND, "EVENT_NOT_FOUND", "There is no such event; list them")
        event, body, headers = found
        text = log.ACTIVATION_CODE.sub("[activation code]", body.decode(errors="replace"))
        return pb.GetEventResponse(event=_to_proto(event), body=text, headers=headers)

    async def ReplayEvents(
        self, request: pb.ReplayEventsRequest, context: Any
    ) -> pb.ReplayEventsResponse:
        checks = Checks()
        wanted = _filter(checks, request.filter)
        if request.event_ids:
            ids = checks.uuids("event_ids", list(request.event_ids), MOST_IDS)
            wanted = Filter(
                wanted.states, wanted.types, wanted.iccid, wanted.since, wanted.until, ids
            )
        if wanted.holds_all:
            checks.fail("filter", "must say which events; to replay everything give a time")
        checks.done()
        async with self._database.system() as connection:
            replayed = await overview.replay(connection, wanted)
        # Afterwards: an event that has an owner from now on is not replayed twice.
        adopted, not_understood = await self._adopt(wanted)
        for wake in self._wakes:
            wake()
        return pb.ReplayEventsResponse(replayed=replayed + adopted, not_understood=not_understood)

    async def GetStats(self, request: pb.GetStatsRequest, context: Any) -> pb.GetStatsResponse:
        async with self._database.system() as connection:
            counts, stored, repeats = await overview.counts(connection)
            oldest, _ = await overview.resting(connection)
        return pb.GetStatsResponse(
            counts=[pb.Count(type=t, state=STATES[s], events=n) for t, s, n in counts],
            oldest_pending_seconds=oldest.age,
            stored=stored,
            repeats=repeats,
        )

    async def ExportEvents(
        self, request: pb.ExportEventsRequest, context: Any
    ) -> AsyncIterator[pb.ExportEventsResponse]:
        for event_id in await customer.find(self._database, _iccids(request.iccids)):
            found = await customer.read(self._database, event_id)
            if found is not None:
                event, body = found
                yield pb.ExportEventsResponse(
                    event=_to_proto(event), body=body.decode(errors="replace")
                )

    async def EraseEvents(
        self, request: pb.EraseEventsRequest, context: Any
    ) -> pb.EraseEventsResponse:
        erased = await customer.erase(self._database, _iccids(request.iccids))
        return pb.EraseEventsResponse(events=erased)

    async def _adopt(self, wanted: Filter) -> tuple[int, int]:
        """Read events without an owner again. Return how many have one now, and how many still have none."""
        last, found, left = UUID(int=0), 0, 0
        while True:
            async with self._database.system() as connection:
                rows = await overview.nobodys(connection, wanted, last, STEP)
                read = [(event_id, understand(body)) for event_id, body in rows]
                adopted = [(i, u.owner, u.iccid) for i, u in read if u.owner is not None]
                await overview.adopt(connection, adopted)
            found += len(adopted)
            left += len(rows) - len(adopted)
            if len(rows) < STEP:
                return found, left
            last = rows[-1][0]


def _iccids(given: Sequence[str]) -> list[str]:
    checks = Checks()
    if not 1 <= len(given) <= MOST_IDS:
        checks.fail("iccids", f"must hold 1 to {MOST_IDS} ICCIDs, not {len(given)}")
    iccids = [checks.iccid(f"iccids[{index}]", text) for index, text in enumerate(given)]
    checks.done()
    return iccids


def _filter(checks: Checks, message: pb.EventFilter) -> Filter:
    states = []
    for index, number in enumerate(message.states):
        if number not in STATES_BACK:
            checks.fail(f"filter.states[{index}]", "must be one of the known states")
        else:
            states.append(STATES_BACK[number])
    return Filter(
        states=tuple(states),
        types=tuple(message.types),
        iccid=checks.iccid("filter.iccid", message.iccid) if message.HasField("iccid") else None,
        since=_moment(checks, message, "from_date"),
        until=_moment(checks, message, "to_date"),
    )


def _moment(checks: Checks, message: pb.EventFilter, name: str) -> datetime | None:
    if not message.HasField(name):  # type: ignore[arg-type]  # one of two names, told as text
        return None
    return checks.moment(f"filter.{name}", getattr(message, name))


def _after(request: pb.ListEventsRequest) -> tuple[datetime, UUID] | None:
    key = page_token.read(request, request.page_token, 2)
    if key is None:
        return None
    try:
        return timestamps.from_iso(key[0]), UUID(key[1])
    except ValueError:
        raise invalid(
            {"page_token": "is malformed; send next_page_token as it was given"},
            reason="INVALID_PAGE_TOKEN",
        ) from None


def _to_proto(event: Event) -> pb.Event:
    pending = event.state is State.PENDING
    return pb.Event(
        id=str(event.id),
        received_at=timestamps.to_proto(event.received_at),
        type=event.event_type,
        iccid=event.iccid or "",
        signed=event.signed,
        times_received=event.times_received,
        state=STATES[event.state],
        owner=event.owner or "",
        attempts=event.attempts,
        next_attempt_at=timestamps.to_proto(event.next_attempt_at) if pending else None,
        last_error=event.last_error,
        outcome=event.outcome,
        settled_at=timestamps.to_proto(event.settled_at),
    )

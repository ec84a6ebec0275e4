"""Operations of `esimgo webhooks`: listing, showing, counting and replaying the provider's callbacks."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.config.access import Access
from cli.operators import output
from cli.operators.moments import stamp
from cli.operators.service import Service, connect
from protos.webhooks.v1 import webhooks_pb2 as pb
from protos.webhooks.v1.webhooks_pb2_grpc import WebhooksServiceStub

PAGE = 500
STATES = {
    "pending": pb.DELIVERY_STATE_PENDING,
    "delivered": pb.DELIVERY_STATE_DELIVERED,
    "dead": pb.DELIVERY_STATE_DEAD,
    "kept": pb.DELIVERY_STATE_KEPT,
    "foreign": pb.DELIVERY_STATE_FOREIGN,
}
NAMES = {number: name for name, number in STATES.items()}


def event_filter(
    *,
    states: Sequence[str] = (),
    types: Sequence[str] = (),
    iccid: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pb.EventFilter:
    """Return the filter of these conditions. Times without a zone are in this machine's zone."""
    return pb.EventFilter(
        states=[STATES[state] for state in states],
        types=types,
        iccid=iccid,
        from_date=stamp(since),
        to_date=stamp(until),
    )


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The callbacks for operators. Each method returns lines to print, and raises CommandError.

    `conditions` are the arguments of `event_filter`.
    """

    service: Service
    as_json: bool = False

    async def list_events(self, limit: int, **conditions: Any) -> list[str]:
        """List callbacks, newest first."""
        request = pb.ListEventsRequest(
            filter=event_filter(**conditions), page_size=min(limit, PAGE)
        )
        events = await self.service.listed("ListEvents", request, "events", limit)
        if self.as_json:
            return output.document(events)
        return list(map(_line, events)) or ["no such callback"]

    async def show(self, event_id: str) -> list[str]:
        """Show every field of a callback with its body; activation codes are redacted."""
        answer = await self.service.call("GetEvent", pb.GetEventRequest(event_id=event_id))
        if self.as_json:
            return output.document(answer)
        event = answer.event
        facts = [
            ("id", event.id),
            ("received", output.moment(event, "received_at")),
            ("type", event.type),
            ("iccid", event.iccid),
            ("signed", "yes" if event.signed else "no"),
            ("times received", str(event.times_received)),
            ("state", NAMES[event.state]),
            ("owner", event.owner),
            ("attempts", str(event.attempts)),
            ("next attempt", output.moment(event, "next_attempt_at")),
            ("settled", output.moment(event, "settled_at")),
            ("outcome", event.outcome),
            ("last error", event.last_error),
            *sorted((f"header {name}", value) for name, value in answer.headers.items()),
        ]
        lines = [f"{name:<22} {value}" for name, value in facts if value]
        # The sender chose the headers and the body.
        return list(map(output.escaped, [*lines, "", answer.body]))

    async def replay(self, event_ids: Sequence[str], **conditions: Any) -> list[str]:
        """Queue callbacks for another delivery: those with the ids, or all that match."""
        request = pb.ReplayEventsRequest(event_ids=event_ids, filter=event_filter(**conditions))
        answer = await self.service.call("ReplayEvents", request)
        lines = [f"{answer.replayed} callbacks queued for delivery"]
        if answer.not_understood:
            lines.append(f"{answer.not_understood} callbacks not replayed: their type is unknown")
        return lines

    async def stats(self) -> list[str]:
        """Count callbacks by type and state, and show the age of the oldest pending one."""
        answer = await self.service.call("GetStats", pb.GetStatsRequest())
        if self.as_json:
            return output.document(answer)
        types = sorted({count.type for count in answer.counts})
        of = {(count.type, NAMES[count.state]): count.events for count in answer.counts}
        rows = [f"{'type':<28}" + "".join(f"{state:>12}" for state in STATES)]
        for name in types:
            rows.append(f"{name:<28}" + "".join(f"{of.get((name, s), 0):>12}" for s in STATES))
        totals = {s: sum(n for (_, state), n in of.items() if state == s) for s in STATES}
        rows.append(f"{'all':<28}" + "".join(f"{totals[s]:>12}" for s in STATES))
        rows += [
            "",
            f"stored {answer.stored}, repeats {answer.repeats},"
            f" oldest pending {answer.oldest_pending_seconds:.1f} s",
        ]
        return rows


@asynccontextmanager
async def open_webhooks(access: Access, *, as_json: bool = False) -> AsyncIterator[Webhooks]:
    """Connect with the service role key."""
    connected = connect(access, "webhooks", WebhooksServiceStub, description="webhook process")
    async with connected as service:
        yield Webhooks(service, as_json)


def _line(event: pb.Event) -> str:
    state = NAMES[event.state]
    if event.attempts > 1:
        state += f" ({event.attempts} attempts)"
    parts = [output.moment(event, "received_at"), event.id, event.type, event.iccid or "-", state]
    return "  ".join([*parts, event.last_error or event.outcome]).rstrip()

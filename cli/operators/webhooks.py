"""`esimgo webhooks`: the provider's callbacks, how far they are, and handing them over again."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.config.access import Access
from cli.operators import output
from kit.errors import Failure
from kit.rpc import client as rpc_client
from kit.values import timestamps
from protos.webhooks.v1 import webhooks_pb2 as pb
from protos.webhooks.v1.webhooks_pb2_grpc import WebhooksServiceStub

# Seconds. Replaying a million events is one statement, and the longest of these calls.
TIMEOUT = 60
PAGE = 500
STATES = {
    "pending": pb.DELIVERY_STATE_PENDING,
    "delivered": pb.DELIVERY_STATE_DELIVERED,
    "dead": pb.DELIVERY_STATE_DEAD,
    "kept": pb.DELIVERY_STATE_KEPT,
    "foreign": pb.DELIVERY_STATE_FOREIGN,
}
NAMES = {number: name for name, number in STATES.items()}


class WebhooksError(Exception):
    """The command failed; the text contains the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; what is empty or None holds for all."""

    states: Sequence[str] = ()
    types: Sequence[str] = ()
    iccid: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def to_proto(self) -> pb.EventFilter:
        """A time without a zone is the machine's own."""
        return pb.EventFilter(
            states=[STATES[state] for state in self.states],
            types=self.types,
            iccid=self.iccid,
            from_date=timestamps.to_proto(self.since.astimezone() if self.since else None),
            to_date=timestamps.to_proto(self.until.astimezone() if self.until else None),
        )


class Operator:
    """The calls, as the platform itself; each raises WebhooksError."""

    def __init__(self, stub: Any, key: str, address: str) -> None:
        self._stub = stub
        self._key = key
        self._address = address

    async def list_events(self, wanted: Wanted, most: int) -> AsyncIterator[str]:
        """A line for each, newest first."""
        async for event in self._events(wanted, most):
            yield line(event)

    async def list_as_json(self, wanted: Wanted, most: int) -> str:
        """The same events as a JSON array."""
        return "\n".join(output.document([event async for event in self._events(wanted, most)]))

    async def _events(self, wanted: Wanted, most: int) -> AsyncIterator[pb.Event]:
        token, left = "", most
        while left > 0:
            request = pb.ListEventsRequest(
                filter=wanted.to_proto(), page_size=min(left, PAGE), page_token=token
            )
            answer = await self._ask(self._stub.ListEvents, request)
            for event in answer.events:
                yield event
            left -= len(answer.events)
            token = answer.next_page_token
            if not token:
                return

    async def show(self, event_id: str, *, as_json: bool = False) -> str:
        """All that is known of one, its body included; activation codes are cut out."""
        answer = await self._ask(self._stub.GetEvent, pb.GetEventRequest(event_id=event_id))
        if as_json:
            return "\n".join(output.document(answer))
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
        return "\n".join([*lines, "", answer.body])

    async def replay(self, event_ids: Sequence[str], wanted: Wanted) -> pb.ReplayEventsResponse:
        """Hands them over again from the beginning."""
        request = pb.ReplayEventsRequest(event_ids=event_ids, filter=wanted.to_proto())
        answer: pb.ReplayEventsResponse = await self._ask(self._stub.ReplayEvents, request)
        return answer

    async def stats(self, *, as_json: bool = False) -> str:
        """How many of each type are in which state, and how old the oldest waiting one is."""
        answer = await self._ask(self._stub.GetStats, pb.GetStatsRequest())
        if as_json:
            return "\n".join(output.document(answer))
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
        return "\n".join(rows)

    async def _ask(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        try:
            return await rpc_client.call(method, request, token=self._key, timeout=TIMEOUT)
        except Failure as failure:
            if failure.kind == "unavailable":
                raise WebhooksError(
                    f"the webhook process at {self._address} is unavailable ({failure}): start it"
                    " first"
                ) from failure
            raise WebhooksError(str(failure)) from failure


@asynccontextmanager
async def operator(access: Access) -> AsyncIterator[Operator]:
    """The webhook process of this machine, or that of WEBHOOKS_ADMIN_ADDRESS."""
    address = access.addresses["webhooks"]
    async with rpc_client.channel(address, access.tls) as channel:
        yield Operator(WebhooksServiceStub(channel), access.key, address)


def line(event: pb.Event) -> str:
    """One event in one line."""
    state = NAMES[event.state]
    if event.attempts > 1:
        state += f" ({event.attempts} attempts)"
    parts = [output.moment(event, "received_at"), event.id, event.type, event.iccid or "-", state]
    return "  ".join([*parts, event.last_error or event.outcome]).rstrip()

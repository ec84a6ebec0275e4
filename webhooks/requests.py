"""Checks requests of operators; a Failure names every bad field of a request."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from google.protobuf.message import Message

from kit.values import page_token
from kit.values.checks import Checks
from protos import iccid
from protos.webhooks.v1 import webhooks_pb2 as pb
from webhooks.event_store import Event, Filter
from webhooks.messages import STATES

# Rows of one page.
DEFAULT_PAGE = 50
MAX_PAGE = 500
MAX_BATCH = 1_000
STATES_BACK = {number: state for state, number in STATES.items()}


def listing(request: pb.ListEventsRequest) -> tuple[Filter, tuple[datetime, UUID] | None, int]:
    """Return the filter, where the previous page ended, and the page size; raises Failure INVALID."""
    checks = Checks()
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    criteria = _filter(checks, request.filter)
    checks.done()
    return criteria, page_token.read_position(request, request.page_token), size


def replay(request: pb.ReplayEventsRequest) -> Filter:
    """Return the filter of events to replay; raises Failure INVALID."""
    checks = Checks()
    criteria = _filter(checks, request.filter)
    if request.event_ids:
        criteria = replace(
            criteria, ids=checks.uuids("event_ids", list(request.event_ids), MAX_BATCH)
        )
    if criteria.matches_all:
        checks.fail("filter", "must select events; to replay all of them, give a start time")
    checks.done()
    return criteria


def next_page(request: pb.ListEventsRequest, last: Event) -> str:
    return page_token.write_position(request, last.received_at, last.id)


def iccids(given: Sequence[str]) -> list[str]:
    """Check ICCIDs; raises Failure INVALID."""
    checks = Checks()
    if not 1 <= len(given) <= MAX_BATCH:
        checks.fail("iccids", f"must contain 1 to {MAX_BATCH} ICCIDs, not {len(given)}")
    checked = [iccid.check(checks, f"iccids[{index}]", text) for index, text in enumerate(given)]
    checks.done()
    return checked


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
        iccid=iccid.check(checks, "filter.iccid", message.iccid)
        if message.HasField("iccid")
        else None,
        since=_moment(checks, message, "from_date"),
        until=_moment(checks, message, "to_date"),
    )


def _moment(checks: Checks, message: Message, name: str) -> datetime | None:
    if not message.HasField(name):
        return None
    return checks.moment(f"filter.{name}", getattr(message, name))

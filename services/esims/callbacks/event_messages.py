"""Translates events from protos, and results to protos."""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from google.protobuf.message import Message

from kit.errors import invalid
from kit.values import plain_text, timestamps
from kit.values.checks import Checks
from protos import iccid
from protos.esims.v1 import events_pb2 as pb
from providers.esim_go import countries
from services.esims.callbacks import events
from services.esims.callbacks.apply import Outcome, Result
from services.esims.callbacks.events import Change, Event
from services.esims.esim import DELETED_AFTER, bare_host

MAX_EVENTS = 100
# The width of text columns; the provider's texts have some 40 characters.
MAX_CHARACTERS = 200
MAX_WORD = 100
ACTIVATION_CODE = re.compile(r"LPA:1\$(?P<host>[^$\s]+)\$(?P<matching_id>[^$\s]+)", re.ASCII)

OUTCOMES = {
    Outcome.APPLIED: pb.EVENT_OUTCOME_APPLIED,
    Outcome.UNCHANGED: pb.EVENT_OUTCOME_UNCHANGED,
    Outcome.READ_QUEUED: pb.EVENT_OUTCOME_READ_QUEUED,
    Outcome.UNKNOWN_ESIM: pb.EVENT_OUTCOME_UNKNOWN_ESIM,
    Outcome.FAILED: pb.EVENT_OUTCOME_FAILED,
}


def events_from_proto(request: pb.ApplyEventsRequest) -> list[Event]:
    """Return the events of a request; raises Failure INVALID, which names every bad field."""
    if not 1 <= len(request.events) <= MAX_EVENTS:
        raise invalid({"events": f"must contain 1 to {MAX_EVENTS}, not {len(request.events)}"})
    checks = Checks()
    found = [
        event
        for index, message in enumerate(request.events)
        if (event := _event(checks, f"events[{index}]", message)) is not None
    ]
    checks.done()
    return found


def results_to_proto(
    request: pb.ApplyEventsRequest, results: Mapping[UUID, Result]
) -> pb.ApplyEventsResponse:
    """Return the results in the order of the request."""
    return pb.ApplyEventsResponse(
        results=[
            pb.EventResult(
                event_id=event.event_id,
                outcome=OUTCOMES[results[UUID(event.event_id)].outcome],
                detail=results[UUID(event.event_id)].detail,
            )
            for event in request.events
        ]
    )


def _event(checks: Checks, path: str, message: pb.ProviderEvent) -> Event | None:
    event_id = checks.uuid(f"{path}.event_id", message.event_id)
    received_at = timestamps.believable(_time(message, "received_at"))
    digits = iccid.check(checks, f"{path}.iccid", message.iccid)
    which = message.WhichOneof("change")
    if which is None:
        checks.fail(f"{path}.change", "must contain an event")
        return None
    if received_at is None:
        checks.fail(f"{path}.received_at", "must be the time at which the callback was received")
        return None
    change = _change(checks, f"{path}.{which}", message, which, received_at)
    return Event(event_id, received_at, digits, change, message.repeated)


def _change(
    checks: Checks, path: str, message: pb.ProviderEvent, which: str, received_at: datetime
) -> Change:
    def past(change: Message) -> datetime | None:
        return timestamps.happened(_time(change, "date"), received_at)

    match which:
        case "bundle_use":
            return _bundle_use(checks, path, message.bundle_use, received_at)
        case "activated":
            return events.Activated(past(message.activated))
        case "country_seen":
            seen = message.country_seen
            code, name = _word(checks, path, seen.code), _word(checks, path, seen.name)
            return events.CountrySeen(countries.iso_code(code, name))
        case "deletion_scheduled":
            announced = _time(message.deletion_scheduled, "announced_date")
            # Later dates are accepted too, in case the provider means the day of the deletion itself.
            return events.DeletionScheduled(
                timestamps.happened(announced, received_at + DELETED_AFTER)
            )
        case "deleted":
            return events.Deleted()
        case "number_enabled":
            return events.NumberChanged(_word(checks, path, message.number_enabled.msisdn))
        case "number_disabled":
            removed = _word(checks, path, message.number_disabled.msisdn)
            return events.NumberChanged("", removed)
        case "message_failed":
            return events.MessageFailed(past(message.message_failed))
        case "profile_changed":
            changed = message.profile_changed
            return events.ProfileChanged(_word(checks, path, changed.profile_status), past(changed))
        case "code_assigned":
            assigned = message.code_assigned
            return _code(assigned, past(assigned))
        case "bundle_activated":
            began = message.bundle_activated
            name = _name(checks, path, began.name)
            return events.BundleActivated(name, *_period(began, received_at))
        case "bundle_expired":
            return events.BundleExpired(_name(checks, path, message.bundle_expired.name))
        case _:
            return events.Unclear()


def _bundle_use(
    checks: Checks, path: str, use: pb.BundleUse, received_at: datetime
) -> events.BundleUse:
    initial = use.initial_bytes if use.HasField("initial_bytes") else None
    remaining = use.remaining_bytes if use.HasField("remaining_bytes") else None
    if (initial or 0) < 0 or (remaining or 0) < 0:
        checks.fail(path, "must not contain negative quantities")
    if len(use.assignment_id) > MAX_CHARACTERS:
        checks.fail(path, f"must have an id of at most {MAX_CHARACTERS} characters")
    started_at, ends_at = _period(use, received_at)
    return events.BundleUse(
        assignment_id=use.assignment_id or None,
        name=_name(checks, path, use.name),
        initial_bytes=None if use.unlimited else initial,
        remaining_bytes=None if use.unlimited else remaining,
        started_at=started_at,
        ends_at=ends_at,
        unlimited=use.unlimited if use.HasField("unlimited") else None,
        description=use.description[:MAX_CHARACTERS],
        reference=use.reference[:MAX_CHARACTERS],
    )


def _code(assigned: pb.CodeAssigned, at: datetime | None) -> Change:
    """Parse an activation code; return Unclear for an invalid one, so that the provider is queried."""
    code = ACTIVATION_CODE.fullmatch(assigned.activation_code.strip())
    if code is None or len(code[0]) > MAX_CHARACTERS:
        return events.Unclear()
    return events.CodeAssigned(
        smdp_address=bare_host(code["host"]), matching_id=code["matching_id"], at=at
    )


def _time(message: Message, name: str) -> datetime | None:
    """Return a time; None if it is absent or out of range."""
    try:
        return timestamps.from_proto(getattr(message, name)) if message.HasField(name) else None
    except ValueError:
        return None


def _period(change: Message, received_at: datetime) -> tuple[datetime | None, datetime | None]:
    """Return when a bundle in use started and ends; None for what is implausible.

    A bundle in use has started: if its start is in the future, neither of the times is believed.
    """
    started_at = timestamps.believable(_time(change, "start_date"))
    ends_at = timestamps.believable(_time(change, "end_date"))
    if started_at is not None and timestamps.happened(started_at, received_at) is None:
        return None, None
    return started_at, timestamps.end_of(ends_at, started_at)


def _name(checks: Checks, path: str, text: str) -> str:
    if not text or len(text) > MAX_CHARACTERS or not plain_text.is_plain(text):
        checks.fail(path, f"must contain a bundle name of 1 to {MAX_CHARACTERS} characters")
    return text


def _word(checks: Checks, path: str, text: str) -> str:
    return checks.free_text(path, text, MAX_WORD)

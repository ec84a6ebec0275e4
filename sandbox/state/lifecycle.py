"""Life cycle of the bundles on an eSIM, and its timers."""

from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.state import callbacks
from sandbox.state.bundles import MEGABYTE, Bundle
from sandbox.state.clock import written_seconds
from sandbox.state.records import Assignment, Esim, HistoryEntry
from sandbox.state.world import World

# An unused assignment lapses after 12 months.
LAPSE = timedelta(days=365)
# An inactive eSIM is scheduled for deletion after 180 days, and deleted 7 days later.
INACTIVITY = timedelta(days=180)
DELETION_NOTICE = timedelta(days=7)
# States in which a bundle still belongs to its eSIM.
LIVE = ("processing", "queued", "active")


def note(esim: Esim, name: str, bundle: str, at: datetime, alert: str | None = None) -> None:
    """Add an entry to an eSIM's history."""
    esim.history += (HistoryEntry(name, bundle, at, alert),)


def of_esim(world: World, esim: Esim) -> list[Assignment]:
    """Return all assignments of an eSIM, oldest first."""
    return [world.assignments[key] for key in esim.assignments]


def has_number(world: World, esim: Esim) -> bool:
    """Return True if a live bundle gives the eSIM a phone number."""
    return any(item.has_number and item.state in LIVE for item in of_esim(world, esim))


def assign(
    world: World,
    esim: Esim,
    bundle: Bundle,
    reference: str,
    *,
    price: Decimal,
    bought_at: datetime,
    at: datetime,
    lot: int | None = None,
    begins: datetime | None = None,
) -> Assignment:
    """Assign a bundle to an eSIM, first as processing; `begins` is the requested start."""
    assignment = Assignment(
        id=world.ids.assignment(),
        iccid=esim.iccid,
        bundle=bundle.name,
        description=bundle.description,
        reference=reference,
        price=price,
        bought_at=bought_at,
        lot=lot,
        assigned_at=at,
        ready_at=at + timedelta(seconds=world.switches.processing_seconds),
        duration_days=bundle.duration,
        initial=world.switches.unlimited_quantity
        if bundle.unlimited
        else bundle.data_mb * MEGABYTE,
        unlimited=bundle.unlimited,
        autostart=bundle.autostart,
        begins_at=begins,
        countries=tuple(place.iso for place in (*bundle.countries, *bundle.roaming)),
        allowances=bundle.allowances,
    )
    if assignment.has_number and not has_number(world, esim):
        callbacks.number_enabled(world, esim, at)
    world.assignments.add(assignment.id, assignment)
    esim.assignments += (assignment.id,)
    active_again(esim, at)
    esim.delete_at = None
    note(esim, "Bundle Applied", bundle.name, at)
    if assignment.ready_at > at:
        world.at(assignment.ready_at, "ready", assignment.id)
    else:
        on_ready(world, assignment.id, at)
    return assignment


def active_again(esim: Esim, at: datetime) -> None:
    """Restart the eSIM's 180 days after an activity."""
    esim.last_activity = max(esim.last_activity, at)


def active(world: World, esim: Esim) -> list[Assignment]:
    """Return the active bundles of an eSIM."""
    return [item for item in of_esim(world, esim) if item.state == "active"]


def next_queued(world: World, esim: Esim) -> Assignment | None:
    """Return the queued bundle that may start now at the eSIM's location, by the switches."""
    here = esim.country
    in_force = active(world, esim)
    if world.switches.active_bundles == "one" and in_force:
        return None
    if any(here is None or here in item.countries for item in in_force):
        return None
    queued = [
        item
        for item in of_esim(world, esim)
        if item.state == "queued" and (here is None or here in item.countries)
    ]
    if not queued:
        return None
    return queued[0] if world.switches.next_bundle == "oldest" else queued[-1]


def start(world: World, assignment: Assignment, at: datetime) -> None:
    """Activate a queued bundle; its duration starts."""
    assignment.state = "active"
    assignment.started_at = at
    assignment.ends_at = at + timedelta(days=assignment.duration_days)
    world.at(assignment.ends_at, "end", assignment.id)
    data = {
        "iccid": assignment.iccid,
        "bundle_name": assignment.bundle,
        "start_date": written_seconds(at),
        "end_date": written_seconds(assignment.ends_at),
    }
    callbacks.platform_event(world, "bundle.activated", data, at)


def finish(
    world: World, assignment: Assignment, state: str, at: datetime, *, number_reason: str
) -> None:
    """End a bundle permanently, in the given state."""
    esim = world.esims[assignment.iccid]
    had_number = has_number(world, esim)
    assignment.state = state
    if had_number and not has_number(world, esim):
        callbacks.number_disabled(world, esim, number_reason, at)
    start_if_attached(world, esim, at)


def start_if_attached(world: World, esim: Esim, at: datetime) -> None:
    """Start the next bundle of an attached eSIM, if the switch queued_starts says so."""
    if world.switches.queued_starts != "attached" or esim.attached_at is None:
        return
    if esim.state == "active" and (following := next_queued(world, esim)):
        start(world, following, at)


def on_ready(world: World, key: str, at: datetime) -> None:
    """Queue a processed bundle, or start it if it has autostart."""
    assignment = world.assignments.get(key)
    if assignment is None or assignment.state != "processing":
        return
    assignment.state = "queued"
    world.at(assignment.assigned_at + LAPSE, "lapse", key)
    esim = world.esims[assignment.iccid]
    if assignment.begins_at is not None and assignment.begins_at > at:
        world.at(assignment.begins_at, "begin", key)
    asked = assignment.begins_at is not None and assignment.begins_at <= at
    by_itself = assignment.autostart and world.switches.autostart_starts == "assignment"
    if (asked or by_itself) and not active(world, esim):
        start(world, assignment, at)
    start_if_attached(world, esim, at)


def on_begin(world: World, key: str, at: datetime) -> None:
    """Start a bundle at its requested time."""
    assignment = world.assignments.get(key)
    if assignment and assignment.state == "queued":
        esim = world.esims[assignment.iccid]
        if not active(world, esim):
            start(world, assignment, at)


def on_end(world: World, key: str, at: datetime) -> None:
    """End a bundle at the end of its duration."""
    assignment = world.assignments.get(key)
    if assignment is None or assignment.state not in ("active", "depleted"):
        return
    esim = world.esims[assignment.iccid]
    finish(world, assignment, "expired", at, number_reason="Bundle expired")
    note(esim, "Bundle Expired", assignment.bundle, at)
    data = {"iccid": assignment.iccid, "bundle_name": assignment.bundle}
    callbacks.platform_event(world, "bundle.expired", data, at)


def on_lapse(world: World, key: str, at: datetime) -> None:
    """Let a queued bundle lapse after twelve months."""
    assignment = world.assignments.get(key)
    if assignment and assignment.state == "queued":
        finish(world, assignment, "lapsed", at, number_reason="Bundle expired")
        note(world.esims[assignment.iccid], "Bundle Lapsed", assignment.bundle, at)


def on_inactive(world: World, key: str, at: datetime) -> None:
    """Schedule the deletion of an eSIM that was inactive for 180 days."""
    esim = world.esims.get(key)
    if esim is None or esim.state == "deactivated" or esim.delete_at is not None:
        return
    in_force = [item.ends_at for item in active(world, esim) if item.ends_at]
    due = max([esim.last_activity + INACTIVITY, *in_force])
    if due > at:
        world.at(due, "inactive", key)
        return
    esim.delete_at = at + DELETION_NOTICE
    world.at(esim.delete_at, "delete", key)
    callbacks.deletion(world, "esim.deletion_scheduled", key, at)


def on_delete(world: World, key: str, at: datetime) -> None:
    """Delete an eSIM at the scheduled time."""
    esim = world.esims.get(key)
    if esim is None or esim.state == "deactivated":
        return
    if esim.delete_at is None:
        world.at(esim.last_activity + INACTIVITY, "inactive", key)
        return
    if esim.delete_at == at:
        deactivate(world, esim, "lapsed", at)
        callbacks.deletion(world, "esim.deleted", key, at)


def deactivate(world: World, esim: Esim, state: str, at: datetime) -> None:
    """Deactivate an eSIM permanently; its live bundles end in `state`."""
    esim.state = "deactivated"
    for item in of_esim(world, esim):
        if item.state in LIVE or item.state == "depleted":
            finish(world, item, state, at, number_reason="Bundle revoked")
            note(esim, "Bundle Revoked" if state == "revoked" else "Bundle Lapsed", item.bundle, at)
    esim.profile_status = "Deactivated"
    esim.delete_at = None

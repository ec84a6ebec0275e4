"""Pure rules for the effect of an event on an eSIM; the final state doesn't depend on the events' order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.esims.bundle import ANNOUNCED, Assignment, AssignmentState, Bundle
from services.esims.callbacks.events import (
    OF_BUNDLES,
    Activated,
    BundleActivated,
    BundleExpired,
    BundleUse,
    CodeAssigned,
    CountrySeen,
    Deleted,
    DeletionScheduled,
    Event,
    MessageFailed,
    NumberChanged,
    ProfileChanged,
    Unclear,
)
from services.esims.esim import ESIM, ProviderState
from services.esims.profile import CLOCKS_APART, after_callback

# Callbacks have whole seconds, the provider's other answers fractions.
SAME_MOMENT = timedelta(seconds=1)
# The states in the order in which an assignment goes through them.
LIFE = list(AssignmentState)
IN_USE = frozenset({AssignmentState.ACTIVE, AssignmentState.DEPLETED})
OPEN = IN_USE | {AssignmentState.PROCESSING, AssignmentState.QUEUED}


@dataclass(frozen=True, slots=True)
class Effect:
    """The changes to write: the eSIM, and the assignment that the event reports.

    With `read` or `locate`, the event is ambiguous, and the provider has to be queried about the eSIM or
    its country.
    """

    esim: ESIM
    reported: Assignment | None = None
    read: bool = False
    locate: bool = False


def effect_of(event: Event, esim: ESIM, bundles: Sequence[Bundle]) -> Effect:
    """Return the effect of an event on an eSIM as it is now.

    A repeated event may be an old callback that is sent a second time. Its changes are not applied, and the
    provider is queried instead.
    """
    effect = _effect_of(event, esim, bundles)
    if not event.repeated or (effect.reported is None and effect.esim == esim):
        return effect
    where = isinstance(event.change, CountrySeen)
    return Effect(esim, read=not where, locate=where)


def _effect_of(event: Event, esim: ESIM, bundles: Sequence[Bundle]) -> Effect:
    received = event.received_at
    if isinstance(event.change, OF_BUNDLES) and _older(received, esim.bundles_read_at):
        # The provider was queried after this event was received: query it again instead.
        return Effect(esim, read=True)
    match event.change:
        case BundleUse() as use:
            return _bundle_used(use, esim, bundles)
        case BundleActivated(name, started_at, ends_at):
            use = BundleUse(None, name, None, None, started_at, ends_at)
            return _bundle_used(use, esim, bundles, announced=True)
        case BundleExpired(name):
            return _bundle_expired(name, esim, bundles)
        case Activated(at):
            return Effect(replace(esim, activated_at=_first(esim.activated_at, at or received)))
        case CountrySeen(code):
            if _older(received, esim.last_country_at):
                return Effect(esim)
            if not code:
                return Effect(esim, locate=True)
            return Effect(replace(esim, last_country=code, last_country_at=received))
        case DeletionScheduled(at):
            last = _last(esim.deletion_announced_at, at or received)
            return Effect(replace(esim, deletion_announced_at=last))
        case Deleted():
            if _older(received, esim.state_read_at):
                return Effect(esim, read=True)
            state = ProviderState.DEACTIVATED
            # The time is stored so that the answer to an earlier query can't undo the change.
            return Effect(replace(esim, provider_state=state, state_read_at=received))
        case NumberChanged(msisdn, removed):
            if _older(received, esim.msisdn_at):
                return Effect(esim)
            # A late callback may be about a number that another one has replaced.
            replaced = bool(removed and esim.msisdn) and _digits(removed) != _digits(esim.msisdn)
            if msisdn != esim.msisdn and (replaced or _superseded(received, esim)):
                return Effect(esim, read=True)
            return Effect(replace(esim, msisdn=msisdn, msisdn_at=received))
        case MessageFailed(at):
            last = _last(esim.message_failed_at, at or received)
            return Effect(replace(esim, message_failed_at=last))
        case ProfileChanged(profile_status, at):
            changed = after_callback(esim, profile_status, at or received)
            return Effect(esim, read=True) if changed is None else Effect(changed)
        case CodeAssigned(smdp_address, matching_id, at):
            if _older(at or received, esim.code_assigned_at):
                return Effect(esim)
            known = (esim.smdp_address, esim.matching_id)
            if (smdp_address, matching_id) != known and _superseded(received, esim):
                return Effect(esim, read=True)
            return Effect(
                replace(
                    esim,
                    smdp_address=smdp_address,
                    matching_id=matching_id,
                    code_assigned_at=at or received,
                    assigned_date=at or esim.assigned_date,
                )
            )
        case Unclear():
            return Effect(esim, read=True)


def _bundle_used(
    use: BundleUse, esim: ESIM, bundles: Sequence[Bundle], *, announced: bool = False
) -> Effect:
    of_name = [b for b in bundles if b.assignment.name == use.name]
    certain = True
    if use.assignment_id is not None:
        known = next((b for b in bundles if b.assignment.id == use.assignment_id), None)
        if known is None:
            known, certain = _same_reference(use, of_name), False
    else:
        known = _same_start(use, of_name)
        if known is None:
            # No known bundle started at that time. If exactly one has not started, the event is probably
            # about it. Another bundle of the same name may not have been fetched yet. Without a time, the
            # event may also be about one that has started.
            present = [b for b in of_name if not b.absent]
            waiting = [b for b in present if b.assignment.started_at is None]
            one = len(waiting) == 1 and (use.started_at is not None or len(present) == 1)
            known, certain = (waiting[0] if one else None), False
    if known is not None and known.absent:
        return Effect(esim, read=True)
    if known is None and use.assignment_id is None and (of_name or not announced):
        return Effect(esim, read=True)
    base = known.assignment if known else None
    known_limit = None if base is None or base.id.startswith(ANNOUNCED) else base.unlimited
    unlimited = use.unlimited if known_limit is None else known_limit
    used_up = use.remaining_bytes == 0 and not unlimited
    if use.unlimited not in (None, unlimited) or (used_up and unlimited is None):
        # Zero remaining bytes mean used up or, if the bundle is unlimited, only throttled. Query the provider
        # if the callback and the known bundle disagree about that, or if it is unknown.
        return Effect(esim, read=True)
    reported = Assignment(
        id=base.id if base else use.assignment_id or f"{ANNOUNCED}{use.name}",
        name=use.name,
        description=use.description,
        reference=use.reference or (base.reference if base else ""),
        state=AssignmentState.DEPLETED if used_up else AssignmentState.ACTIVE,
        initial_bytes=None if unlimited else use.initial_bytes,
        remaining_bytes=None if unlimited else use.remaining_bytes,
        unlimited=bool(unlimited),
        assigned_at=None,
        started_at=use.started_at,
        ends_at=_end(use, base),
    )
    new = base is None or _adds_information(reported, base)
    # A bundle that is not known is shown, and the provider is queried if there is one.
    read = new and (base is None or not certain)
    return Effect(esim, reported=reported if new else None, read=read)


def _bundle_expired(name: str, esim: ESIM, bundles: Sequence[Bundle]) -> Effect:
    of_name = [b.assignment for b in bundles if b.assignment.name == name and not b.absent]
    open_ = [a for a in of_name if a.state in OPEN]
    candidates = [a for a in open_ if a.state in IN_USE] or open_
    if not of_name or len(candidates) > 1 or (candidates and len(of_name) > len(open_)):
        # The event may be about any of several bundles, including one that has ended already.
        return Effect(esim, read=True)
    if not candidates:
        return Effect(esim)
    # The event does not say how much data was left.
    ended = replace(candidates[0], state=AssignmentState.EXPIRED, remaining_bytes=None)
    return Effect(esim, reported=ended)


def _same_start(use: BundleUse, of_name: Sequence[Bundle]) -> Bundle | None:
    if use.started_at is None:
        return None
    same = [
        b
        for b in of_name
        if b.assignment.started_at is not None
        and abs(b.assignment.started_at - use.started_at) <= SAME_MOMENT
    ]
    return same[0] if len(same) == 1 else None


def _same_reference(use: BundleUse, of_name: Sequence[Bundle]) -> Bundle | None:
    """Return the bundle that has the event's reference, if its id is not the event's."""
    same = [b for b in of_name if use.reference and b.assignment.reference == use.reference]
    return same[0] if len(same) == 1 else None


def _end(use: BundleUse, base: Assignment | None) -> datetime | None:
    """Return when the bundle ends; None if that is before the known bundle began, so that it is wrong."""
    began = None if base is None else base.started_at or base.assigned_at
    wrong = use.ends_at is not None and began is not None and use.ends_at < began
    return None if wrong else use.ends_at


def _adds_information(reported: Assignment, known: Assignment) -> bool:
    further = LIFE.index(reported.state) > LIFE.index(known.state)
    less = reported.remaining_bytes is not None and (
        known.remaining_bytes is None or reported.remaining_bytes < known.remaining_bytes
    )
    dated = (reported.started_at is not None and known.started_at is None) or (
        reported.ends_at is not None and known.ends_at is None
    )
    return further or less or dated


def _older(at: datetime, known: datetime | None) -> bool:
    return known is not None and at <= known


def _superseded(received: datetime, esim: ESIM) -> bool:
    """True if the provider was queried about the eSIM after the callback, so it has to be queried again.

    The state of a deleted eSIM may be from a callback.
    """
    read_at = esim.state_read_at
    deleted = esim.provider_state is ProviderState.DEACTIVATED
    return read_at is not None and not deleted and received + CLOCKS_APART < read_at


def _digits(number: str) -> str:
    """Return the digits of a phone number, without what stands for the international prefix."""
    return "".join(filter(str.isdigit, number)).lstrip("0")


def _first(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)


def _last(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else max(known, at)

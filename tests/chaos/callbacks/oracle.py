"""The required final state of a run, derived from the bodies alone by independent rules."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.callbacks.scenario import Case, InitialESIM, Scenario

# Progress of a bundle; a late callback never reverts it.
STEPS = ("queued", "active", "depleted", "expired")
# Stands for the time of reception.
RECEIVED = datetime.max.replace(tzinfo=UTC)
BALANCE_KINDS = ("Topup", "AutoTopup", "eSIMGoTopup", "LowBalance", "InsufficientBalance")


@dataclass(slots=True)
class FinalBundle:
    state: str
    remaining: int
    started: datetime | None = None
    ends: datetime | None = None

    def reach(self, state: str) -> None:
        self.state = max(self.state, state, key=STEPS.index)


@dataclass(slots=True)
class FinalESIM:
    """The final state of an eSIM; `status` as customers see it."""

    status: str = "ASSIGNED"
    deleted: bool = False
    country: str = ""
    profile_status: str = ""
    msisdn: str = ""
    deletion_announced: datetime | None = None
    message_failed: datetime | None = None
    attached: bool = False
    code: str = ""
    bundles: dict[str, FinalBundle] = field(default_factory=dict)


@dataclass(slots=True)
class FinalState:
    """The observable final state."""

    esims: dict[str, FinalESIM] = field(default_factory=dict)
    completed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    balance_events: int = 0


def expected(scenario: Scenario, bodies: Iterable[bytes]) -> FinalState:
    """Return the final state after these bodies, given in the order in which the events happened."""
    state = FinalState()
    initial = {esim.iccid: esim for esim in scenario.esims}
    for esim in scenario.esims:
        bundles = {b.assignment: FinalBundle("queued", b.initial) for b in esim.bundles}
        state.esims[esim.iccid] = FinalESIM(bundles=bundles)
    for iccid in scenario.late_iccids:
        state.esims[iccid] = FinalESIM()
        initial[iccid] = InitialESIM(iccid, Case.TRAVELER, ())
    known = set(state.esims)
    references = {order.reference for order in scenario.orders}
    for body in bodies:
        try:
            callback = json.loads(body)
        except ValueError:
            continue
        kind = callback.get("alertType") or callback.get("event")
        if kind in BALANCE_KINDS:
            state.balance_events += 1
        elif kind == "order.completed":
            if callback["data"]["order_reference"] in references:
                iccids = tuple(esim["iccid"] for esim in callback["data"]["esims"])
                state.completed[callback["data"]["order_reference"]] = iccids
        elif (
            iccid := str(callback.get("iccid") or callback.get("data", {}).get("iccid"))
        ) in known:
            _apply(state.esims[iccid], initial[iccid], kind, callback)
    for iccid, esim in initial.items():
        _set_status(state.esims[iccid], esim)
    return state


def _apply(
    esim: FinalESIM, initial: InitialESIM, kind: str | None, callback: dict[str, Any]
) -> None:
    data = callback.get("data", {})
    if kind == "FirstAttachment":
        esim.attached = True
    elif kind in ("Utilisation", "FirstUse"):
        _apply_usage(esim, initial, callback["bundle"])
    elif kind == "CountryChange":
        esim.country = callback["country"]["code"]
    elif kind == "esim.deletion_scheduled":
        esim.deletion_announced = _plausible(callback["date"])
    elif kind == "esim.deleted":
        esim.deleted = True
    elif kind == "MSISDNEnabled":
        esim.msisdn = callback["msisdn"]
    elif kind == "MSISDNDisabled":
        esim.msisdn = ""
    elif kind == "SMSFailed":
        esim.message_failed = _plausible(callback["timestamp"])
    elif kind == "esim.assigned":
        esim.code = data["qr_code"]
    elif kind == "bundle.activated":
        bundle = _bundle_named(esim, initial, data["bundle_name"])
        bundle.reach("active")
        bundle.started, bundle.ends = _time(data["start_date"]), _time(data["end_date"])
    elif kind == "bundle.expired":
        _bundle_named(esim, initial, data["bundle_name"]).reach("expired")
    elif kind is None and "profileStatus" in callback:
        esim.profile_status = callback["profileStatus"]


def _apply_usage(esim: FinalESIM, initial: InitialESIM, usage: dict[str, Any]) -> None:
    if initial.case is Case.INVALID_VALUES:
        # Minutes are not data, and the years 1 and 9999 are no event times.
        if usage["unit"] == "MB":
            esim.bundles[usage["id"]].reach("active")
            esim.bundles[usage["id"]].remaining = usage["remainingQuantity"] * 10**6
        return
    if initial.case is Case.AMBIGUOUS:
        # Only the provider knows which bundle is meant: it uses up the oldest one first.
        assignment = min(esim.bundles, key=int)
        esim.bundles[assignment].reach("active")
        esim.bundles[assignment].remaining = usage["remainingQuantity"]
        return
    named = _bundle_named(esim, initial, usage["name"])
    bundle = esim.bundles[usage["id"]] if "id" in usage else named
    bundle.reach("depleted" if usage["remainingQuantity"] == 0 else "active")
    bundle.remaining = min(bundle.remaining, usage["remainingQuantity"])
    bundle.started, bundle.ends = _time(usage["startTime"]), _time(usage["endTime"])


def _bundle_named(esim: FinalESIM, initial: InitialESIM, name: str) -> FinalBundle:
    [bundle] = [b for b in initial.bundles if b.name == name][:1]
    return esim.bundles[bundle.assignment]


def _set_status(esim: FinalESIM, initial: InitialESIM) -> None:
    states = [bundle.state for bundle in esim.bundles.values()]
    if esim.deleted:
        esim.status = "CANCELLED"
        esim.deletion_announced = None
    elif states and not any(state in ("queued", "active") for state in states):
        esim.status = "EXPIRED"
    elif initial.case is Case.SUSPENDED:
        esim.status = "SUSPENDED"
    elif "active" in states or esim.attached:
        esim.status = "ACTIVE"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _plausible(text: str) -> datetime:
    """Return the date, or RECEIVED if it is in the year 1, 2099 or 9999, which no event has."""
    at = _time(text)
    return at if 2020 < at.year < 2099 else RECEIVED

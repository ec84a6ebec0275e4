"""The required final state of a run, derived from the bodies alone by independent rules."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.callbacks.subjects import Cast, Role, Subject

# Progress of a bundle; a late callback never reverts it.
STEPS = ("queued", "active", "depleted", "expired")
# Stands for the time of reception.
RECEIVED = datetime.max.replace(tzinfo=UTC)
BALANCE_KINDS = ("Topup", "AutoTopup", "eSIMGoTopup", "LowBalance", "InsufficientBalance")


@dataclass(slots=True)
class BundleEnd:
    state: str
    remaining: int
    started: datetime | None = None
    ends: datetime | None = None

    def reach(self, state: str) -> None:
        self.state = max(self.state, state, key=STEPS.index)


@dataclass(slots=True)
class ESIMEnd:
    """The final state of an eSIM; `status` as customers see it."""

    status: str = "ASSIGNED"
    deleted: bool = False
    country: str = ""
    profile_status: str = ""
    msisdn: str = ""
    announced: datetime | None = None
    message_failed: datetime | None = None
    attached: bool = False
    code: str = ""
    bundles: dict[str, BundleEnd] = field(default_factory=dict)


@dataclass(slots=True)
class End:
    """The observable final state."""

    esims: dict[str, ESIMEnd] = field(default_factory=dict)
    completed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    balance_news: int = 0


def expected(cast: Cast, bodies: Iterable[bytes]) -> End:
    """Return the final state after these bodies, given in the order in which the events happened."""
    end = End()
    subjects = {subject.iccid: subject for subject in cast.esims}
    for subject in cast.esims:
        bundles = {b.assignment: BundleEnd("queued", b.initial) for b in subject.bundles}
        end.esims[subject.iccid] = ESIMEnd(bundles=bundles)
    for iccid in cast.late_iccids:
        end.esims[iccid] = ESIMEnd()
        subjects[iccid] = Subject(iccid, Role.TRAVELLER, ())
    known = set(end.esims)
    references = {order.reference for order in cast.orders}
    for body in bodies:
        try:
            told = json.loads(body)
        except ValueError:
            continue
        kind = told.get("alertType") or told.get("event")
        if kind in BALANCE_KINDS:
            end.balance_news += 1
        elif kind == "order.completed":
            if told["data"]["order_reference"] in references:
                iccids = tuple(esim["iccid"] for esim in told["data"]["esims"])
                end.completed[told["data"]["order_reference"]] = iccids
        elif (iccid := str(told.get("iccid") or told.get("data", {}).get("iccid"))) in known:
            _tell(end.esims[iccid], subjects[iccid], kind, told)
    for subject in subjects.values():
        _settle(end.esims[subject.iccid], subject)
    return end


def _tell(esim: ESIMEnd, subject: Subject, kind: str | None, told: dict[str, Any]) -> None:
    data = told.get("data", {})
    if kind == "FirstAttachment":
        esim.attached = True
    elif kind in ("Utilisation", "FirstUse"):
        _use(esim, subject, told["bundle"])
    elif kind == "CountryChange":
        esim.country = told["country"]["code"]
    elif kind == "esim.deletion_scheduled":
        esim.announced = _believed(told["date"])
    elif kind == "esim.deleted":
        esim.deleted = True
    elif kind == "MSISDNEnabled":
        esim.msisdn = told["msisdn"]
    elif kind == "MSISDNDisabled":
        esim.msisdn = ""
    elif kind == "SMSFailed":
        esim.message_failed = _believed(told["timestamp"])
    elif kind == "esim.assigned":
        esim.code = data["qr_code"]
    elif kind == "bundle.activated":
        bundle = _named(esim, subject, data["bundle_name"])
        bundle.reach("active")
        bundle.started, bundle.ends = _time(data["start_date"]), _time(data["end_date"])
    elif kind == "bundle.expired":
        _named(esim, subject, data["bundle_name"]).reach("expired")
    elif kind is None and "profileStatus" in told:
        esim.profile_status = told["profileStatus"]


def _use(esim: ESIMEnd, subject: Subject, told: dict[str, Any]) -> None:
    if subject.role is Role.ODD:
        # Minutes are not data, and the years 1 and 9999 are no event times.
        if told["unit"] == "MB":
            esim.bundles[told["id"]].reach("active")
            esim.bundles[told["id"]].remaining = told["remainingQuantity"] * 10**6
        return
    if subject.role is Role.AMBIGUOUS:
        # Only the provider knows which: it uses up the oldest bundle first.
        assignment = min(esim.bundles, key=int)
        esim.bundles[assignment].reach("active")
        esim.bundles[assignment].remaining = told["remainingQuantity"]
        return
    named = _named(esim, subject, told["name"])
    bundle = esim.bundles[told["id"]] if "id" in told else named
    bundle.reach("depleted" if told["remainingQuantity"] == 0 else "active")
    bundle.remaining = min(bundle.remaining, told["remainingQuantity"])
    bundle.started, bundle.ends = _time(told["startTime"]), _time(told["endTime"])


def _named(esim: ESIMEnd, subject: Subject, name: str) -> BundleEnd:
    [bundle] = [b for b in subject.bundles if b.name == name][:1]
    return esim.bundles[bundle.assignment]


def _settle(esim: ESIMEnd, subject: Subject) -> None:
    states = [bundle.state for bundle in esim.bundles.values()]
    if esim.deleted:
        esim.status = "CANCELLED"
        esim.announced = None
    elif states and not any(state in ("queued", "active") for state in states):
        esim.status = "EXPIRED"
    elif subject.role is Role.SUSPENDED:
        esim.status = "SUSPENDED"
    elif "active" in states or esim.attached:
        esim.status = "ACTIVE"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _believed(text: str) -> datetime:
    """Return the date unless it is in the year 1, 2099 or 9999, which no event has."""
    at = _time(text)
    return at if 2020 < at.year < 2099 else RECEIVED

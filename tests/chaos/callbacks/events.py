"""Callbacks with known contents: every type of both versions, and the platform's own events."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.callbacks.scenario import Case, InitialBundle, InitialESIM, PendingOrder, Scenario

COUNTRIES = (("FR", "France"), ("DE", "Germany"), ("ES", "Spain"), ("IT", "Italy"))
# Percentages of callbacks about the balance, of an unknown type, and about eSIMs and orders that were not
# sold here.
BALANCE_PERCENT, UNKNOWN_PERCENT, FOREIGN_PERCENT = 2, 1, 1
# A range of ICCIDs that the sandbox never assigns.
FOREIGN_ICCID = "89990000{:011d}"
# Values that programs write for a missing date.
ZERO_TIME, MAX_TIME, FUTURE = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2099-01-01T00:00:00Z"
# One in this many has its ICCID as a JSON number, as one page of the provider's guide does.
AS_NUMBER = 6
# Significant digits of an ICCID that passed through a float.
EXACT_DIGITS = 17
# How long before the set-up the first event is dated. Events of device profiles are dated after the set-up:
# the provider was queried then, and its answer would outrank older events.
BEFORE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Callback:
    """One body to post; `after` is the body that must have been acknowledged before.

    Only undated reports of an eSIM's state have one, because such a report looks like an older one.
    """

    body: bytes
    after: bytes | None = None


@dataclass(frozen=True, slots=True)
class CallbackGenerator:
    """Generates the callbacks of one run; the same seed and scenario produce the same callbacks."""

    scenario: Scenario
    rng: random.Random
    began: datetime

    def generate(self, count: int) -> list[Callback]:
        """Return exactly this many different callbacks in the order in which the events happened.

        Raises ValueError if the scenario alone needs more.
        """
        callbacks = [c for esim in self.scenario.esims for c in self._of_esim(esim)]
        callbacks += [c for order in self.scenario.orders for c in self._of_order(order)]
        callbacks += [c for iccid in self.scenario.late_iccids for c in self._of_late(iccid)]
        callbacks += [Callback(self.foreign(n)) for n in range(foreign_count(count))]
        callbacks += [Callback(self._balance(n)) for n in range(count * BALANCE_PERCENT // 100 + 5)]
        callbacks += [Callback(self._unknown(n)) for n in range(count * UNKNOWN_PERCENT // 100 + 3)]
        if len(callbacks) > count:
            raise ValueError(f"the scenario alone needs {len(callbacks)} callbacks: request more")
        bodies = {callback.body for callback in callbacks}
        unused = (Case.UNUSED, Case.AMBIGUOUS, Case.INVALID_VALUES)
        used_esims = [e for e in self.scenario.esims if e.case not in unused]
        while len(callbacks) < count:
            esim = self.rng.choice(used_esims)
            bundle = self.rng.choice(esim.bundles)
            # Never the lowest value, which the bundle's generated callbacks contain already.
            remaining = self.rng.randrange(bundle.initial // 2, bundle.initial)
            body = self._usage(esim, "Utilisation", bundle, remaining)
            if body not in bodies:
                bodies.add(body)
                callbacks.append(Callback(body))
        return callbacks

    def _of_esim(self, esim: InitialESIM) -> Iterator[Callback]:
        iccid, (first, second) = esim.iccid, esim.bundles
        if esim.case is Case.AMBIGUOUS:
            # V2 without times: only the provider knows which of the two is meant.
            report = {"name": first.name, "initialQuantity": first.initial}
            report |= {"remainingQuantity": first.initial - 400_000_000}
            yield Callback(_json({"iccid": iccid, "alertType": "Utilisation", "bundle": report}))
            return
        if esim.case is Case.UNUSED:
            yield Callback(self._dated("esim.deletion_scheduled", iccid, days=7))
            return
        if esim.case is Case.INVALID_VALUES:
            yield from self._invalid_values(esim)
            return
        yield Callback(self._of(iccid, {"alertType": "FirstAttachment"}))
        yield from self._in_order([self._country(iccid, place) for place in COUNTRIES[:3]])
        for bundle in (first, second):
            yield Callback(self._usage(esim, "FirstUse", bundle, bundle.initial))
            last = 0 if esim.case is Case.DEPLETED else bundle.initial // 5
            for remaining in (bundle.initial * 99 // 100, bundle.initial // 2, last):
                yield Callback(self._usage(esim, "Utilisation", bundle, remaining))
        for minute, status in enumerate(("Downloaded", "Installed"), 1):
            yield Callback(self._profile(iccid, minute, status))
        number = f"4477{self.rng.randrange(10**8):08d}"
        yield from self._in_order(
            self._of(iccid, {"alertType": f"MSISDN{what}", "msisdn": number, "reason": why})
            for what, why in (("Enabled", "Bundle added"), ("Disabled", "Bundle expired"))
        )
        at = self._time(minutes=self.rng.randrange(600))
        yield Callback(self._of(iccid, {"alertType": "SMSFailed", "timestamp": at}))
        if esim.case is Case.DELETED:
            yield Callback(self._dated("esim.deletion_scheduled", iccid, days=-7))
            yield Callback(self._dated("esim.deleted", iccid, days=0))
        if esim.case is Case.PLATFORM_EVENTS:
            yield from self._platform(esim)

    def _platform(self, esim: InitialESIM) -> Iterator[Callback]:
        iccid, (first, second) = esim.iccid, esim.bundles
        code = f"LPA:1$rsp-{iccid[-4:]}.example.com$NEW-{self.rng.randrange(10**9):09d}"
        for event, data in (
            ("esim.assigned", {"qr_code": code, "assigned_date": self._time(minutes=5)}),
            ("esim.activated", {"activated_date": self._time(minutes=10)}),
            (
                "bundle.activated",
                {
                    "bundle_name": second.name,
                    "start_date": self._time(),
                    "end_date": self._time(days=30),
                },
            ),
            ("bundle.expired", {"bundle_name": first.name}),
        ):
            yield Callback(_json({"event": event, "data": {"iccid": iccid, **data}}))

    def _invalid_values(self, esim: InitialESIM) -> Iterator[Callback]:
        """Impossible dates, and quantities in other units than bytes."""
        iccid, (first, second) = esim.iccid, esim.bundles
        minutes: dict[str, Any] = {"id": first.assignment, "name": first.name, "unit": "minutes"}
        minutes |= {"initialQuantity": 100, "remainingQuantity": 0, "unlimited": False}
        yield Callback(self._of(iccid, {"alertType": "Utilisation", "bundle": minutes}))
        megabytes: dict[str, Any] = {"id": second.assignment, "name": second.name, "unit": "MB"}
        megabytes |= {"initialQuantity": second.initial // 10**6, "remainingQuantity": 600}
        megabytes |= {"unlimited": False, "startTime": ZERO_TIME, "endTime": MAX_TIME}
        yield Callback(self._of(iccid, {"alertType": "Utilisation", "bundle": megabytes}))
        profile = {"profileStatus": "Downloaded", "timestamp": ZERO_TIME}
        yield Callback(self._of(iccid, profile))
        yield Callback(self._of(iccid, {"alertType": "SMSFailed", "timestamp": FUTURE}))
        scheduled = {"date": MAX_TIME, "event": "esim.deletion_scheduled", "iccid": iccid}
        yield Callback(_json(scheduled))
        # A date in the future is ignored: the time of reception counts, which is after the other date.
        for code, date in (("PAST", self._time(minutes=5)), ("FUTURE", FUTURE)):
            data = {"iccid": iccid, "qr_code": f"LPA:1$rsp.example.com${code}"}
            event = {"event": "esim.assigned", "data": data | {"assigned_date": date}}
            yield Callback(_json(event))

    def _of_late(self, iccid: str) -> Iterator[Callback]:
        yield Callback(self._of(iccid, {"alertType": "FirstAttachment"}))
        yield from self._in_order([self._country(iccid, place) for place in COUNTRIES[:2]])
        at = self._time(minutes=self.rng.randrange(600))
        yield Callback(self._of(iccid, {"alertType": "SMSFailed", "timestamp": at}))

    def foreign(self, number: int) -> bytes:
        """Return a callback about a purchase of the same account outside this platform."""
        iccid = FOREIGN_ICCID.format(number + 1)
        data = {"order_reference": f"foreign-{number}", "esims": [{"iccid": iccid}]}
        return (
            _json({"alertType": "FirstAttachment", "iccid": f"{iccid}F"}),
            self._country(iccid, COUNTRIES[0]),
            _json({"event": "esim.deleted", "iccid": iccid, "date": ZERO_TIME}),
            _json({"event": "order.completed", "data": data}),
        )[number % 4]

    def _of_order(self, order: PendingOrder) -> Iterator[Callback]:
        esims = [
            {
                "iccid": iccid,
                "customer_ref": "",
                "qr_code": f"LPA:1$rsp.example.com$K-{iccid[-11:]}",
                "status": "ASSIGNED",
                "assigned_date": self._time(),
            }
            for iccid in order.iccids
        ]
        data = {"order_reference": order.reference, "esims": esims}
        yield Callback(_json({"event": "order.completed", "data": data}))

    def _usage(self, esim: InitialESIM, kind: str, bundle: InitialBundle, remaining: int) -> bytes:
        report: dict[str, Any] = {
            "name": bundle.name,
            "initialQuantity": bundle.initial,
            "remainingQuantity": remaining,
            "startTime": self._time(),
            "endTime": self._time(days=30),
        }
        if self.rng.random() < 0.5:  # V3; without these it is V2
            report |= {
                "id": bundle.assignment,
                "reference": bundle.reference,
                "description": bundle.description,
                "unlimited": False,
            }
        return self._of(esim.iccid, {"alertType": kind, "bundle": report})

    def _country(self, iccid: str, place: tuple[str, str]) -> bytes:
        code, name = place
        content = {"alertType": "CountryChange", "country": {"code": code, "name": name}}
        return self._of(iccid, content)

    def _profile(self, iccid: str, minute: int, status: str) -> bytes:
        device = {"eid": f"8904903200000000{iccid[-16:]}", "make": "Example", "model": "Phone 1"}
        at = self._time(minutes=BEFORE // timedelta(minutes=1) + minute)
        return self._of(iccid, {"profileStatus": status, "timestamp": at, "device": device})

    def _dated(self, event: str, iccid: str, days: int) -> bytes:
        return _json({"date": self._time(days=days), "event": event, "iccid": iccid})

    def _balance(self, number: int) -> bytes:
        cents = 100_000 + 7 * number
        kinds = ("Topup", "AutoTopup", "eSIMGoTopup", "LowBalance", "InsufficientBalance")
        kind = kinds[number % len(kinds)]
        if number % len(kinds) < 3:
            amounts = {"oldAmount": cents / 100, "newAmount": (cents + 50_000) / 100}
            return _json({"alertType": kind, "bundle": amounts})
        info = {"balance": cents / 1000, "threshold": 100, "thresholdPercentRemaining": 50}
        return _json({"alertType": kind, "balanceInfo": info})

    def _unknown(self, number: int) -> bytes:
        return (
            b"not JSON %d" % number,
            _json({"alertType": "UnknownType", "number": number}),
            _json({"number": number}),
        )[number % 3]

    def _of(self, iccid: str, content: dict[str, Any]) -> bytes:
        text = _json({"iccid": iccid, **content})
        # A number that ends in zeros may have lost digits, and is stored but not applied.
        exact = iccid[EXACT_DIGITS:].strip("0")
        if self.rng.randrange(AS_NUMBER) == 0 and exact:
            return text.replace(b'"%s"' % iccid.encode(), iccid.encode(), 1)
        return text

    def _time(self, *, days: int = 0, minutes: int = 0) -> str:
        at = self.began + timedelta(days=days, minutes=minutes)
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _in_order(self, bodies: Iterable[bytes]) -> Iterator[Callback]:
        before: bytes | None = None
        for body in bodies:
            yield Callback(body, before)
            before = body


def foreign_count(count: int) -> int:
    """Return how many of `count` callbacks are about purchases outside this platform."""
    return count * FOREIGN_PERCENT // 100 + 4


def shuffle_and_repeat(
    callbacks: Sequence[Callback], rng: random.Random, repeats: float
) -> list[Callback]:
    """Shuffle the callbacks, and repeat a share of them at any later moment."""
    shuffled = list(callbacks)
    rng.shuffle(shuffled)
    positions: list[tuple[float, Callback]] = [(float(n), c) for n, c in enumerate(shuffled)]
    for position, callback in rng.sample(positions, round(len(positions) * repeats)):
        # A separate kind of repeat: posted again after it was acknowledged.
        copy = Callback(callback.body, callback.body)
        positions.append((rng.uniform(position, len(shuffled)), copy))
    positions.sort(key=lambda item: item[0])
    return [callback for _, callback in positions]


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()

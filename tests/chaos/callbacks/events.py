"""Callbacks with known contents: every type of both versions, and the platform's own events."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.callbacks.subjects import Awaited, Cast, OnESIM, Role, Subject

COUNTRIES = (("FR", "France"), ("DE", "Germany"), ("ES", "Spain"), ("IT", "Italy"))
# Of a hundred callbacks, how many are about the balance, of an unknown type, and about eSIMs and orders
# that were not sold here.
BALANCE_SHARE, STRANGE_SHARE, FOREIGN_SHARE = 2, 1, 1
# A range of ICCIDs that the sandbox never assigns.
FOREIGN_ICCID = "89990000{:011d}"
# Values that programs write for a missing date.
ZERO_TIME, NEVER, FUTURE = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2099-01-01T00:00:00Z"
# One in this many has its ICCID as a JSON number, as one page of the provider's guide does.
AS_NUMBER = 6
# Significant digits of an ICCID that passed through a float.
EXACT_DIGITS = 17
# How long before the set-up the story begins. Events of device profiles come after it, as the provider,
# queried at the set-up, would otherwise know better.
BEFORE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Callback:
    """One body to post; `after` is the body that must have been acknowledged before.

    Only undated reports of an eSIM's state have one, because such a report looks like an older one.
    """

    body: bytes
    after: bytes | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Writes the callbacks of one run; the same seed and cast give the same ones."""

    cast: Cast
    chance: random.Random
    began: datetime

    def write(self, count: int) -> list[Callback]:
        """Return exactly this many different callbacks in the order in which the events happened.

        Raises ValueError if that is less than the sum of all subjects' stories.
        """
        told = [callback for subject in self.cast.esims for callback in self._of_esim(subject)]
        told += [callback for order in self.cast.orders for callback in self._of_order(order)]
        told += [callback for iccid in self.cast.late_iccids for callback in self._of_late(iccid)]
        told += [Callback(self.foreign(n)) for n in range(foreign_count(count))]
        told += [Callback(self._balance(n)) for n in range(count * BALANCE_SHARE // 100 + 5)]
        told += [Callback(self._strange(n)) for n in range(count * STRANGE_SHARE // 100 + 3)]
        if len(told) > count:
            raise ValueError(f"the stories alone are {len(told)} callbacks: ask for more")
        used = {callback.body for callback in told}
        quiet = (Role.IDLE, Role.AMBIGUOUS, Role.ODD)
        users = [s for s in self.cast.esims if s.role not in quiet]
        while len(told) < count:
            subject = self.chance.choice(users)
            bundle = self.chance.choice(subject.bundles)
            # Never the last report, as each story contains its minimum.
            left = self.chance.randrange(bundle.initial // 2, bundle.initial)
            body = self._usage(subject, "Utilisation", bundle, left)
            if body not in used:
                used.add(body)
                told.append(Callback(body))
        return told

    def _of_esim(self, subject: Subject) -> Iterator[Callback]:
        iccid, (first, second) = subject.iccid, subject.bundles
        if subject.role is Role.AMBIGUOUS:
            # V2 without times: only the provider knows which of the two is meant.
            told = {"name": first.name, "initialQuantity": first.initial}
            told |= {"remainingQuantity": first.initial - 400_000_000}
            yield Callback(_json({"iccid": iccid, "alertType": "Utilisation", "bundle": told}))
            return
        if subject.role is Role.IDLE:
            yield Callback(self._dated("esim.deletion_scheduled", iccid, days=7))
            return
        if subject.role is Role.ODD:
            yield from self._odd(subject)
            return
        yield Callback(self._of(iccid, {"alertType": "FirstAttachment"}))
        yield from self._in_order([self._country(iccid, place) for place in COUNTRIES[:3]])
        for bundle in (first, second):
            yield Callback(self._usage(subject, "FirstUse", bundle, bundle.initial))
            ends = 0 if subject.role is Role.SPENT else bundle.initial // 5
            for left in (bundle.initial * 99 // 100, bundle.initial // 2, ends):
                yield Callback(self._usage(subject, "Utilisation", bundle, left))
        for minute, status in enumerate(("Downloaded", "Installed"), 1):
            yield Callback(self._profile(iccid, minute, status))
        number = f"4477{self.chance.randrange(10**8):08d}"
        yield from self._in_order(
            self._of(iccid, {"alertType": f"MSISDN{what}", "msisdn": number, "reason": why})
            for what, why in (("Enabled", "Bundle added"), ("Disabled", "Bundle expired"))
        )
        at = self._time(minutes=self.chance.randrange(600))
        yield Callback(self._of(iccid, {"alertType": "SMSFailed", "timestamp": at}))
        if subject.role is Role.DELETED:
            yield Callback(self._dated("esim.deletion_scheduled", iccid, days=-7))
            yield Callback(self._dated("esim.deleted", iccid, days=0))
        if subject.role is Role.PLATFORM:
            yield from self._platform(subject)

    def _platform(self, subject: Subject) -> Iterator[Callback]:
        iccid, (first, second) = subject.iccid, subject.bundles
        code = f"LPA:1$rsp-{iccid[-4:]}.example.com$NEW-{self.chance.randrange(10**9):09d}"
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

    def _odd(self, subject: Subject) -> Iterator[Callback]:
        """Impossible dates, and quantities in other units than bytes."""
        iccid, (first, second) = subject.iccid, subject.bundles
        minutes: dict[str, Any] = {"id": first.assignment, "name": first.name, "unit": "minutes"}
        minutes |= {"initialQuantity": 100, "remainingQuantity": 0, "unlimited": False}
        yield Callback(self._of(iccid, {"alertType": "Utilisation", "bundle": minutes}))
        megabytes: dict[str, Any] = {"id": second.assignment, "name": second.name, "unit": "MB"}
        megabytes |= {"initialQuantity": second.initial // 10**6, "remainingQuantity": 600}
        megabytes |= {"unlimited": False, "startTime": ZERO_TIME, "endTime": NEVER}
        yield Callback(self._of(iccid, {"alertType": "Utilisation", "bundle": megabytes}))
        profile = {"profileStatus": "Downloaded", "timestamp": ZERO_TIME}
        yield Callback(self._of(iccid, profile))
        yield Callback(self._of(iccid, {"alertType": "SMSFailed", "timestamp": FUTURE}))
        announced = {"date": NEVER, "event": "esim.deletion_scheduled", "iccid": iccid}
        yield Callback(_json(announced))
        # A date in the future is not believed: the time of reception counts, which is after the other one.
        for code, date in (("PAST", self._time(minutes=5)), ("FUTURE", FUTURE)):
            data = {"iccid": iccid, "qr_code": f"LPA:1$rsp.example.com${code}"}
            event = {"event": "esim.assigned", "data": data | {"assigned_date": date}}
            yield Callback(_json(event))

    def _of_late(self, iccid: str) -> Iterator[Callback]:
        yield Callback(self._of(iccid, {"alertType": "FirstAttachment"}))
        yield from self._in_order([self._country(iccid, place) for place in COUNTRIES[:2]])
        at = self._time(minutes=self.chance.randrange(600))
        yield Callback(self._of(iccid, {"alertType": "SMSFailed", "timestamp": at}))

    def foreign(self, number: int) -> bytes:
        """Callbacks about purchases of the same account outside this platform."""
        iccid = FOREIGN_ICCID.format(number + 1)
        data = {"order_reference": f"foreign-{number}", "esims": [{"iccid": iccid}]}
        return (
            _json({"alertType": "FirstAttachment", "iccid": f"{iccid}F"}),
            self._country(iccid, COUNTRIES[0]),
            _json({"event": "esim.deleted", "iccid": iccid, "date": ZERO_TIME}),
            _json({"event": "order.completed", "data": data}),
        )[number % 4]

    def _of_order(self, order: Awaited) -> Iterator[Callback]:
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

    def _usage(self, subject: Subject, kind: str, bundle: OnESIM, left: int) -> bytes:
        shown: dict[str, Any] = {
            "name": bundle.name,
            "initialQuantity": bundle.initial,
            "remainingQuantity": left,
            "startTime": self._time(),
            "endTime": self._time(days=30),
        }
        if self.chance.random() < 0.5:  # V3; without these it is V2
            shown |= {
                "id": bundle.assignment,
                "reference": bundle.reference,
                "description": bundle.description,
                "unlimited": False,
            }
        return self._of(subject.iccid, {"alertType": kind, "bundle": shown})

    def _country(self, iccid: str, place: tuple[str, str]) -> bytes:
        code, name = place
        told = {"alertType": "CountryChange", "country": {"code": code, "name": name}}
        return self._of(iccid, told)

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

    def _strange(self, number: int) -> bytes:
        return (
            b"not JSON %d" % number,
            _json({"alertType": "NobodyKnows", "number": number}),
            _json({"number": number}),
        )[number % 3]

    def _of(self, iccid: str, told: dict[str, Any]) -> bytes:
        text = _json({"iccid": iccid, **told})
        # A number that ends in zeros may have lost digits, and is stored instead of believed.
        exact = iccid[EXACT_DIGITS:].strip("0")
        if self.chance.randrange(AS_NUMBER) == 0 and exact:
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
    """Return how many of so many callbacks are about purchases outside this platform."""
    return count * FOREIGN_SHARE // 100 + 4


def disturbed(
    callbacks: Sequence[Callback], chance: random.Random, repeats: float
) -> list[Callback]:
    """Shuffle the callbacks, and repeat a share of them at any later moment."""
    shuffled = list(callbacks)
    chance.shuffle(shuffled)
    placed: list[tuple[float, Callback]] = [(float(n), c) for n, c in enumerate(shuffled)]
    for place, callback in chance.sample(placed, round(len(placed) * repeats)):
        # A separate kind of repeat: posted again after it was acknowledged.
        copy = Callback(callback.body, callback.body)
        placed.append((chance.uniform(place, len(shuffled)), copy))
    placed.sort(key=lambda item: item[0])
    return [callback for _, callback in placed]


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()

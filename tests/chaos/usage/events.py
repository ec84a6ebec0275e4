"""Callbacks about data use with known contents, in the order in which they happen."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.callbacks.subjects import OnESIM, Role, Subject

COUNTRIES = (("FR", "France"), ("DE", "Germany"), ("IN", "India"), ("CA", "Canada"))
# Callbacks of one bundle, and the share of callbacks that report a country instead.
PER_BUNDLE = 50
COUNTRY_SHARE = 0.15
# What an ambiguous eSIM has used at the provider, which is queried about it.
AT_PROVIDER = 400_000_000
BEFORE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Script:
    """Bodies to post, and how much each assignment, or an ambiguous eSIM, has used then."""

    bodies: Sequence[bytes]
    used: Mapping[str, int]
    ambiguous: Sequence[str]


def subjects_for(events: int) -> int:
    """Return for how many eSIMs so many callbacks are."""
    return max(12, events // (2 * PER_BUNDLE))


def write(subjects: Sequence[Subject], events: int, chance: random.Random) -> Script:
    """Return exactly this many different callbacks about these eSIMs."""
    began = datetime.now(UTC).replace(microsecond=0) - BEFORE
    users = [subject for subject in subjects if subject.role is not Role.AMBIGUOUS]
    bundles = [(subject, bundle) for subject in users for bundle in subject.bundles]
    used = {bundle.assignment: 0 for _, bundle in bundles}
    ambiguous = [subject.iccid for subject in subjects if subject.role is Role.AMBIGUOUS]
    bodies = list(_ambiguous([s for s in subjects if s.role is Role.AMBIGUOUS]))
    number = 0
    while len(bodies) < events:
        subject, bundle = chance.choice(bundles)
        if chance.random() < COUNTRY_SHARE:
            number += 1
            bodies.append(_country(subject.iccid, chance.choice(COUNTRIES), number))
            continue
        # A step never reaches the end, so that each callback of a bundle has its own content.
        left = bundle.initial - used[bundle.assignment]
        used[bundle.assignment] += chance.randint(1, max(1, left // (PER_BUNDLE // 2)))
        bodies.append(_usage(subject.iccid, bundle, used[bundle.assignment], began))
    return Script(bodies, used, ambiguous)


def _usage(iccid: str, bundle: OnESIM, used: int, began: datetime) -> bytes:
    report = {
        "id": bundle.assignment,
        "reference": bundle.reference,
        "name": bundle.name,
        "description": bundle.description,
        "initialQuantity": bundle.initial,
        "remainingQuantity": bundle.initial - used,
        "startTime": began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "endTime": (began + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "unlimited": False,
    }
    return _json({"iccid": iccid, "alertType": "Utilisation", "bundle": report})


def _country(iccid: str, place: tuple[str, str], number: int) -> bytes:
    code, name = place
    # Equal bodies count as one callback.
    country = {"code": code, "name": f"{name} {number}"}
    return _json({"iccid": iccid, "alertType": "CountryChange", "country": country})


def _ambiguous(subjects: Sequence[Subject]) -> Iterator[bytes]:
    for subject in subjects:
        bundle = subject.bundles[0]
        report = {"name": bundle.name, "initialQuantity": bundle.initial}
        report |= {"remainingQuantity": bundle.initial - AT_PROVIDER}
        yield _json({"iccid": subject.iccid, "alertType": "Utilisation", "bundle": report})


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()

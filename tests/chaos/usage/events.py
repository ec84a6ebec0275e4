"""Callbacks about data use with known contents, in the order in which the events happen."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.callbacks.scenario import Case, InitialBundle, InitialESIM

COUNTRIES = (("FR", "France"), ("DE", "Germany"), ("IN", "India"), ("CA", "Canada"))
# Callbacks of one bundle, and the share of callbacks that report a country instead.
PER_BUNDLE = 50
COUNTRY_SHARE = 0.15
# What an ambiguous eSIM has used at the provider, which is queried about it.
AT_PROVIDER = 400_000_000
BEFORE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Workload:
    """Bodies to post, and how much each assignment has used after them; `ambiguous` are ICCIDs."""

    bodies: Sequence[bytes]
    used: Mapping[str, int]
    ambiguous: Sequence[str]


def esims_for(events: int) -> int:
    """Return the number of eSIMs for this many callbacks."""
    return max(12, events // (2 * PER_BUNDLE))


def generate(esims: Sequence[InitialESIM], events: int, rng: random.Random) -> Workload:
    """Return exactly this many different callbacks about these eSIMs."""
    began = datetime.now(UTC).replace(microsecond=0) - BEFORE
    used_esims = [esim for esim in esims if esim.case is not Case.AMBIGUOUS]
    bundles = [(esim, bundle) for esim in used_esims for bundle in esim.bundles]
    used = {bundle.assignment: 0 for _, bundle in bundles}
    ambiguous = [esim for esim in esims if esim.case is Case.AMBIGUOUS]
    bodies = list(_ambiguous(ambiguous))
    number = 0
    while len(bodies) < events:
        esim, bundle = rng.choice(bundles)
        if rng.random() < COUNTRY_SHARE:
            number += 1
            bodies.append(_country(esim.iccid, rng.choice(COUNTRIES), number))
            continue
        # A step never uses all that remains, so that each callback of a bundle has different content.
        remaining = bundle.initial - used[bundle.assignment]
        used[bundle.assignment] += rng.randint(1, max(1, remaining // (PER_BUNDLE // 2)))
        bodies.append(_usage(esim.iccid, bundle, used[bundle.assignment], began))
    return Workload(bodies, used, [esim.iccid for esim in ambiguous])


def _usage(iccid: str, bundle: InitialBundle, used: int, began: datetime) -> bytes:
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


def _ambiguous(esims: Sequence[InitialESIM]) -> Iterator[bytes]:
    for esim in esims:
        bundle = esim.bundles[0]
        report = {"name": bundle.name, "initialQuantity": bundle.initial}
        report |= {"remainingQuantity": bundle.initial - AT_PROVIDER}
        yield _json({"iccid": esim.iccid, "alertType": "Utilisation", "bundle": report})


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()

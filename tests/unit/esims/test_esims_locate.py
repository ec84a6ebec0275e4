from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.esims.provider_esim import Location
from services.esims.snapshots.locate import located
from tests.unit.esims.example import NEW, NOW

SEEN = Location("FRAF1", "", "", "FR", NOW)
KNOWN = replace(NEW, last_country="DE", last_country_at=NOW - timedelta(hours=1))


def test_a_newer_country_is_stored() -> None:
    found = located(KNOWN, SEEN, NOW)
    assert found is not None
    assert (found.last_country, found.last_country_at) == ("FR", NOW)


@pytest.mark.parametrize("country", ["fr", "FRA", "France", "FR-75"])
def test_a_country_is_stored_as_its_iso_code(country: str) -> None:
    found = located(KNOWN, replace(SEEN, country=country), NOW)
    assert found is not None
    assert found.last_country == "FR"


@pytest.mark.parametrize("country", ["F" * 1_000, "Somewhere far away", "ZZ", "EU"])
def test_an_unknown_country_is_ignored(country: str) -> None:
    assert located(KNOWN, replace(SEEN, country=country), NOW) is None


@pytest.mark.parametrize(
    "seen_at", [None, NOW - timedelta(hours=2), NOW + timedelta(hours=1), NOW + timedelta(days=400)]
)
def test_an_older_or_future_country_is_ignored(seen_at: datetime | None) -> None:
    assert located(KNOWN, replace(SEEN, last_seen=seen_at), NOW) is None
    assert located(KNOWN, replace(SEEN, country=""), NOW) is None

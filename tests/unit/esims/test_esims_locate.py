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


def test_a_country_longer_than_its_column_is_truncated() -> None:
    found = located(KNOWN, replace(SEEN, country="F" * 1_000), NOW)
    assert found is not None
    assert found.last_country == "F" * 100


@pytest.mark.parametrize(
    "seen_at", [None, NOW - timedelta(hours=2), NOW + timedelta(hours=1), NOW + timedelta(days=400)]
)
def test_an_older_or_future_country_is_ignored(seen_at: datetime | None) -> None:
    assert located(KNOWN, replace(SEEN, last_seen=seen_at), NOW) is None
    assert located(KNOWN, replace(SEEN, country=""), NOW) is None

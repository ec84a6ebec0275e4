"""The small run of `make outages`."""

import pytest

from tests.chaos.fleet import balancer
from tests.chaos.fleet.fleet import running
from tests.chaos.outages.run import SETTINGS, run
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.skipif(not balancer.is_installed(), reason=balancer.NEEDED)


# The other states take long to be detected; the whole run has them.
SMALL = ("a database that only reads", "a provider that requests a pause of a day")


async def test_an_outage_fails_with_the_expected_code_and_recovers_automatically() -> None:
    async with running(SETTINGS, each=1, traced=True) as fleet:
        # The time of recovery is measured by the whole run only.
        report = await run(fleet, seconds=3, within=PATIENCE, only=SMALL.__contains__)
    assert report.holds, str(report)

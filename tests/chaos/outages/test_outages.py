"""The small run of `make outages`."""

import pytest

from tests.chaos.fleet import balancer, fleet
from tests.chaos.outages.run import run
from tests.chaos.rolling.run import SETTINGS
from tests.fixtures.patience import PATIENCE

pytestmark = pytest.mark.skipif(not balancer.found(), reason=balancer.NEEDED)


async def test_what_fails_without_a_neighbour_fails_with_its_code_and_is_well_again_by_itself() -> (
    None
):
    async with fleet.running(SETTINGS, each=1, traced=True) as opened:
        # How soon it is well again is a matter of seconds, which the whole run measures.
        report = await run(opened, seconds=3, within=PATIENCE)
    assert report.holds, str(report)

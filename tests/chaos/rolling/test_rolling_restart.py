"""The small run of `make rolling-restart`."""

import pytest

from tests.chaos.fleet import balancer, fleet
from tests.chaos.rolling.run import SETTINGS, Plan, run

pytestmark = pytest.mark.skipif(not balancer.found(), reason=balancer.NEEDED)


async def test_replacing_replicas_loses_nothing() -> None:
    plan = Plan(
        # Both replicas of one service within seconds, so that cached addresses are all gone.
        replaced=("catalogue", "catalogue", "orders", "webhooks", "gateway"),
        # The time of detection is measured by the whole run only.
        newcomers=False,
        deaths=[],
    )
    async with fleet.running(SETTINGS) as opened:
        report = await run(opened, plan)
    assert report.holds, str(report)
    assert report.closes.keys() == {1001}

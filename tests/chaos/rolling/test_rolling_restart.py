"""The small run of `make rolling-restart`."""

import pytest

from tests.chaos.fleet import balancer
from tests.chaos.fleet.fleet import running
from tests.chaos.rolling.run import SETTINGS, Plan, run

pytestmark = pytest.mark.skipif(not balancer.is_installed(), reason=balancer.NEEDED)


async def test_replacing_replicas_loses_nothing() -> None:
    plan = Plan(
        # Both replicas of one service within seconds, so that cached addresses are all gone.
        replaced=("catalogue", "catalogue", "orders", "webhooks", "gateway"),
        # The time of detection is measured by the whole run only.
        add_replicas=False,
        failures=[],
    )
    async with running(SETTINGS) as fleet:
        report = await run(fleet, plan)
    assert report.holds, str(report)
    assert report.closes.keys() == {1001}

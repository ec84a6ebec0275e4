"""The small run of `make rolling-restart`."""

import pytest

from tests.chaos.fleet import balancer, fleet
from tests.chaos.rolling.run import SETTINGS, Plan, run

pytestmark = pytest.mark.skipif(not balancer.found(), reason=balancer.NEEDED)


async def test_replacing_replicas_loses_nothing() -> None:
    plan = Plan(
        # Both of one service within seconds: whoever remembers addresses for longer has none left.
        replaced=("catalogue", "catalogue", "orders", "webhooks", "gateway"),
        # How soon others notice is a matter of seconds, which the whole run measures.
        newcomers=False,
        deaths=[],
    )
    async with fleet.running(SETTINGS) as opened:
        report = await run(opened, plan)
    assert report.holds, str(report)
    assert report.closes.keys() == {1001}

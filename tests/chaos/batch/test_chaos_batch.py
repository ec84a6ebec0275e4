"""The small runs of `make chaos-batch`, and the proof that they find built-in faults."""

from tests.chaos.batch.run import shop

SERVICE = "tests.chaos.batch.orders_service"
# Seconds between two orders: the rule is the same as with three.
PAUSE = 0.5
# For the service that doesn't keep to it: however slow the machine is, two orders come closer than that.
LONG_PAUSE = 30.0
# Orders that take effect, and whose answers are lost.
LOST = {"method": "POST", "path": "/orders", "drop": True, "effect": "done", "count": 4}


async def test_rows_money_and_travelers_match_despite_failures() -> None:
    async with shop(pause=PAUSE) as opened:
        await opened.run(items=60, kills=5, seed=1)
        report = await opened.report()
    assert report.holds, str(report)
    assert report.kills.total() == 5
    assert report.faults.total() > 5
    assert report.looked_at("no eSIM belongs to two rows") > 60
    assert report.looked_at("no two orders came closer than the pause") > 6


async def test_orders_without_a_pause_are_detected() -> None:
    async with shop(pause=LONG_PAUSE, module=f"{SERVICE} no_pause") as opened:
        await opened.run(items=40, kills=0, seed=1)
        report = await opened.report()
    assert report.broken("no two orders came closer than the pause")


async def test_repeated_purchases_are_detected() -> None:
    async with shop(pause=PAUSE, module=f"{SERVICE} repeats") as opened:
        await opened.machine.control("POST", "/faults", LOST)
        await opened.run(items=40, kills=0, seed=1, patience=20)
        report = await opened.report()
    assert report.broken("the rows have exactly the eSIMs that the provider delivered")


async def test_reservations_that_are_left_are_detected() -> None:
    async with shop(pause=PAUSE, module=f"{SERVICE} leaks") as opened:
        await opened.run(items=40, kills=0, seed=1)
        report = await opened.report()
    assert report.broken("nothing is open, and no reservation is left")

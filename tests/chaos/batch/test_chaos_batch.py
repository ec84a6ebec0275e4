"""The small runs of `make chaos-batch`, and the proof that they detect built-in faults."""

from tests.chaos.batch.run import open_shop

SERVICE = "tests.chaos.batch.orders_service"
# Seconds between two orders: the rule is the same as with three.
PAUSE = 0.5
# For the service that ignores the pause: even on a slow machine, two orders come closer than this.
LONG_PAUSE = 30.0
# Orders that take effect, but whose responses are lost.
LOST = {"method": "POST", "path": "/orders", "drop": True, "effect": "done", "count": 4}


async def test_rows_money_and_travelers_match_despite_failures() -> None:
    async with open_shop(pause=PAUSE) as shop:
        await shop.run(items=60, kills=5, seed=1)
        report = await shop.report()
    assert report.holds, str(report)
    assert report.kills.total() == 5
    assert report.faults.total() > 5
    assert report.checked("no eSIM belongs to two rows") > 60
    assert report.checked("no two orders came closer than the pause") > 6


async def test_orders_without_a_pause_are_detected() -> None:
    async with open_shop(pause=LONG_PAUSE, module=f"{SERVICE} no_pause") as shop:
        await shop.run(items=40, kills=0, seed=1)
        report = await shop.report()
    assert report.violations("no two orders came closer than the pause")


async def test_repeated_purchases_are_detected() -> None:
    async with open_shop(pause=PAUSE, module=f"{SERVICE} repeats") as shop:
        await shop.machine.control("POST", "/faults", LOST)
        await shop.run(items=40, kills=0, seed=1, patience=20)
        report = await shop.report()
    assert report.violations("the rows have exactly the eSIMs that the provider delivered")


async def test_reservations_that_are_left_are_detected() -> None:
    async with open_shop(pause=PAUSE, module=f"{SERVICE} leaks") as shop:
        await shop.run(items=40, kills=0, seed=1)
        report = await shop.report()
    assert report.violations("nothing is open, and no reservation is left")

"""The small runs of `make chaos-purchase`, and the proof that they detect built-in faults."""

from tests.chaos.purchase.run import open_shop


async def test_nothing_is_bought_twice_or_lost_despite_failures() -> None:
    async with open_shop() as shop:
        for seed in (1, 2, 3):
            await shop.run(orders=15, kills=3, seed=seed)
        report = await shop.close_books()
    assert report.holds, str(report)
    assert report.kills.total() == 9
    assert report.outcomes["COMPLETED"] > 20
    assert report.checked("no limit was exceeded") > 0


async def test_a_service_that_repeats_unclear_purchases_is_detected() -> None:
    async with open_shop(broken=True) as shop:
        await shop.run(orders=12, kills=0, seed=1)
        report = await shop.close_books()
    assert report.violations("every charge belongs to exactly one order")
    assert not report.holds

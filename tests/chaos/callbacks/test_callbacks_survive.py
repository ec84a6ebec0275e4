"""A small chaos run of callbacks, and the proof that it detects a built-in fault."""

from tests.chaos.callbacks.run import Outcome, Plan, Run, open_testbed

SMALL = Plan(events=240, kills=4, seed=1, rate=150)


async def test_every_acknowledged_callback_takes_effect_once_despite_killed_processes() -> None:
    testbed = await open_testbed(SMALL.seed, durable=False)
    try:
        run = await Run.prepare(testbed, SMALL)
        undisturbed = await run.undisturbed()
        assert undisturbed.faults == [], undisturbed.details
        for seed in (1, 2, 3):
            disturbed = await run.disturbed(undisturbed, seed)
            assert disturbed.faults == [], disturbed.details
            assert disturbed.kills.total() == SMALL.kills
    finally:
        await testbed.close()


async def test_acknowledging_before_the_commit_is_detected() -> None:
    plan = Plan(events=240, kills=3, seed=1, rate=150)
    testbed = await open_testbed(plan.seed, durable=False)
    try:
        run = await Run.prepare(testbed, plan)
        disturbed = await run.disturbed(Outcome(), plan.seed, early_ack=True)
    finally:
        await testbed.close()
    assert any("acknowledged and lost" in fault for fault in disturbed.faults), disturbed.faults

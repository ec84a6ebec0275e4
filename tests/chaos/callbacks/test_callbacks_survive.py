"""A small chaos run of callbacks, and the proof that it detects a built-in fault."""

from tests.chaos.callbacks.run import Outcome, Plan, Run, open_stage

SMALL = Plan(events=240, kills=4, seed=1, rate=150)


async def test_every_acknowledged_callback_takes_effect_once_despite_killed_processes() -> None:
    stage = await open_stage(SMALL.seed, durable=False)
    try:
        run = await Run.prepare(stage, SMALL)
        calm = await run.calm()
        assert calm.faults == [], calm.details
        for seed in (1, 2, 3):
            broken = await run.broken(calm, seed)
            assert broken.faults == [], broken.details
            assert broken.kills.total() == SMALL.kills
    finally:
        await stage.close()


async def test_acknowledging_before_the_commit_is_detected() -> None:
    plan = Plan(events=240, kills=3, seed=1, rate=150)
    stage = await open_stage(plan.seed, durable=False)
    try:
        run = await Run.prepare(stage, plan)
        broken = await run.broken(Outcome(), plan.seed, hasty=True)
    finally:
        await stage.close()
    assert any("acknowledged and lost" in fault for fault in broken.faults), broken.faults

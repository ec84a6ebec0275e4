"""A small chaos run of usage, and the proof that it detects a built-in fault."""

from tests.chaos.usage.run import Plan, chaos


async def test_every_byte_is_counted_once_despite_killed_workers() -> None:
    outcome = await chaos(Plan(events=600, kills=6, seed=1, rate=100), durable=False)
    assert outcome.faults == []
    assert outcome.kills.total() == 6


async def test_a_watermark_that_is_committed_late_is_detected() -> None:
    plan = Plan(events=600, kills=6, seed=1, rate=100, mutant="late_watermark")
    outcome = await chaos(plan, durable=False)
    assert any("last minus the first samples" in fault for fault in outcome.faults), outcome.faults

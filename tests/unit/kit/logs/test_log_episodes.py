"""One log line when a condition begins and one when it ends, however often it occurs."""

import logging

import pytest

from kit.logs.episodes import MAX_EPISODES, QUIET, Episodes
from tests.fixtures.stepped_clock import SteppedClock

log = logging.getLogger(__name__)


@pytest.fixture
def episodes(clock: SteppedClock, caplog: pytest.LogCaptureFixture) -> Episodes:
    caplog.set_level(logging.INFO)
    return Episodes(log, clock=clock)


async def test_a_flood_is_logged_in_two_lines_with_a_count(
    episodes: Episodes, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        episodes.record("tokens are short", "no token for call %d", number)
    assert caplog.messages == ["no token for call 0"]
    await clock.advance(10)
    episodes.record("tokens are short", "no token for call %d", 1000)
    await clock.advance(QUIET - 1)
    assert len(caplog.messages) == 1
    await clock.advance(1)
    assert caplog.messages[1:] == ["tokens are short: over (1001 times in 10 s)"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


async def test_a_single_occurrence_is_one_line(
    episodes: Episodes, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    episodes.record("a fault", "it failed")
    await clock.advance(QUIET)
    assert caplog.messages == ["it failed"]
    episodes.record("a fault", "it failed again")
    assert caplog.messages == ["it failed", "it failed again"]


async def test_a_recovery_ends_the_episode_at_once_and_is_logged_once(
    episodes: Episodes, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    episodes.resolve("Redis is away")
    episodes.record("Redis is away", "Redis is away (%s)", "refused", lasting=True)
    await clock.advance(100 * QUIET)
    episodes.resolve("Redis is away", "Redis is back")
    episodes.resolve("Redis is away", "Redis is back")
    assert caplog.messages == ["Redis is away (refused)", "Redis is back (1 times in 3000 s)"]


async def test_conditions_are_counted_separately_and_their_number_is_bounded(
    episodes: Episodes, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        for number in range(10 * MAX_EPISODES):
            episodes.record(f"key {number}", "condition %d", number)
    assert len(caplog.messages) == MAX_EPISODES + 1


async def test_the_first_line_has_the_traceback(
    episodes: Episodes, caplog: pytest.LogCaptureFixture
) -> None:
    episodes.record("a fault", "it failed", level=logging.ERROR, error=ValueError("why"))
    assert "ValueError: why" in caplog.text


def test_an_episode_in_a_thread_without_an_event_loop_ends_too(
    episodes: Episodes, clock: SteppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        episodes.record("a fault", "it failed")
    clock.passed += QUIET
    episodes.record("a fault", "it failed later")
    over = "a fault: over (3 times in 0 s)"
    assert caplog.messages == ["it failed", over, "it failed later"]

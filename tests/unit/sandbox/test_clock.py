from datetime import UTC, datetime, timedelta

import pytest

from sandbox.state.clock import Clock, ClockError, ClockRow, read_instant, written, written_seconds
from tests.fixtures.stepped_clock import ManualClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_clock_can_run_ahead_of_the_machine() -> None:
    wall = ManualClock(NOON)
    clock = Clock(ClockRow(), wall)
    clock.advance(timedelta(days=2))
    wall.now += timedelta(seconds=5)
    assert clock.now() == NOON + timedelta(days=2, seconds=5)


def test_a_frozen_clock_stands_still_and_resumes() -> None:
    wall = ManualClock(NOON)
    clock = Clock(ClockRow(), wall)
    clock.freeze()
    wall.now += timedelta(hours=1)
    assert clock.now() == NOON
    clock.advance(timedelta(minutes=1))
    clock.release()
    assert clock.now() == NOON + timedelta(minutes=1)
    wall.now += timedelta(seconds=1)
    assert clock.now() == NOON + timedelta(minutes=1, seconds=1)


@pytest.mark.parametrize("step", [timedelta(seconds=-1), timedelta(days=365 * 7000)])
def test_the_clock_moves_neither_back_nor_out_of_the_calendar(step: timedelta) -> None:
    clock = Clock(ClockRow(), ManualClock(NOON))
    with pytest.raises(ClockError):
        clock.advance(step)
    assert clock.now() == NOON


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01T12:00:00.000000000Z", NOON),
        ("2026-03-01T14:00:00+02:00", NOON),
        ("2026-03-01T12:00:00", NOON),
        ("2026-03-01", NOON.replace(hour=0)),
        ("2026-03-01T12:00:00.123456789Z", NOON.replace(microsecond=123456)),
    ],
)
def test_instants_are_parsed(text: str, moment: datetime) -> None:
    assert read_instant(text) == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "1772366400", "0001-01-01T00:00:00+14:00"]
)
def test_an_invalid_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_instant(text)


def test_instants_are_written_in_utc() -> None:
    assert written(NOON) == "2026-03-01T12:00:00.000000Z"
    assert written_seconds(NOON) == "2026-03-01T12:00:00Z"

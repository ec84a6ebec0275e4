"""The database's clock, whatever the clock of the process says."""

from datetime import UTC, datetime, timedelta

from kit.db.clock import DatabaseClock
from kit.db.database import Database
from tests.fixtures.postgres import Databases
from tests.fixtures.stepped_clock import START, SteppedClock
from tests.fixtures.wrong_clock import SetAhead

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


class Stepped(SteppedClock, DatabaseClock):
    """A clock of which a test says how much time passes."""

    def __init__(self) -> None:
        SteppedClock.__init__(self)
        DatabaseClock.__init__(self)

    wall = DatabaseClock.wall

    def answer(self, time: datetime, *, after: float) -> None:
        """Set the clock by a response that took this many seconds."""
        requested = self.now()
        self.passed += after
        self.set(time, requested)


async def test_a_database_has_the_servers_time_and_not_that_of_the_process(
    databases: Databases, set_ahead: SetAhead
) -> None:
    set_ahead(timedelta(minutes=10))
    async with databases.open("orders") as database:
        assert abs(database.now() - datetime.now(UTC)) < MINUTE


async def test_each_write_trial_reads_the_clock(databases: Databases, set_ahead: SetAhead) -> None:
    set_ahead(timedelta(minutes=10))
    async with databases.open("orders") as opened:
        database = Database(opened._pool, "orders")
        assert database.now() - datetime.now(UTC) > 9 * MINUTE
        assert await database.writes.check() is None
        assert abs(database.now() - datetime.now(UTC)) < MINUTE


def test_the_time_passes() -> None:
    clock = Stepped()
    clock.answer(START + MINUTE, after=1)
    assert clock.wall() == START + MINUTE + SECOND
    clock.passed += 60
    assert clock.wall() == START + 2 * MINUTE + SECOND


def test_a_slow_response_does_not_replace_a_faster_one_until_that_may_have_drifted_as_far() -> None:
    clock = Stepped()
    clock.answer(START, after=0.01)
    clock.passed += 60
    before = clock.wall()
    clock.answer(START, after=0.2)
    assert clock.wall() == before + timedelta(seconds=0.2)
    clock.answer(START, after=0.02)
    assert clock.wall() == START + timedelta(seconds=0.02)
    clock.passed += 200
    clock.answer(START, after=0.2)
    assert clock.wall() == START + timedelta(seconds=0.2)

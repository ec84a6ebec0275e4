"""The database's clock, whatever the clock of the process says."""

from datetime import UTC, datetime, timedelta

from kit.db.clock import MAX_ROUND_TRIP, DatabaseClock
from kit.db.database import Database
from tests.fixtures.postgres import Databases
from tests.fixtures.stepped_clock import START, SteppedClock
from tests.fixtures.wrong_clock import SetAhead

MINUTE = timedelta(minutes=1)


class Stepped(SteppedClock, DatabaseClock):
    """A clock of which a test says how much time passes."""

    def __init__(self) -> None:
        SteppedClock.__init__(self)
        DatabaseClock.__init__(self)

    wall = DatabaseClock.wall


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


def test_the_time_passes_and_a_slow_response_does_not_set_it() -> None:
    clock = Stepped()
    requested = clock.now()
    clock.passed += MAX_ROUND_TRIP
    clock.set(START + MINUTE, requested)
    at = START + MINUTE + timedelta(seconds=MAX_ROUND_TRIP)
    assert clock.wall() == at
    clock.passed += 60
    assert clock.wall() == at + MINUTE
    requested = clock.now()
    clock.passed += 2 * MAX_ROUND_TRIP
    clock.set(START, requested)
    assert clock.wall() == at + MINUTE + timedelta(seconds=2 * MAX_ROUND_TRIP)

"""The clock of the database, which all processes share."""

from datetime import datetime, timedelta

from kit.values.clock import Clock

# Seconds. A slower response does not set the clock, which would be ahead by as much.
MAX_ROUND_TRIP = 1.0


class DatabaseClock(Clock):
    """A clock whose `wall` is the database's; until that was read, it is that of this machine.

    It decides what several processes have to agree on, such as when a lease or an unpaid order ends.
    Otherwise a process on a machine whose clock is wrong would end them early.
    """

    def __init__(self) -> None:
        self._read: tuple[datetime, float] | None = None

    def set(self, time: datetime, requested: float) -> None:
        """Set the clock to the server's `time`, which was requested when `now` was `requested`.

        So it is ahead by the time that the request took, and never behind times in rows that were committed.
        """
        if self._read is None or self.now() - requested <= MAX_ROUND_TRIP:
            self._read = time, requested

    def wall(self) -> datetime:
        if self._read is None:
            return super().wall()
        time, at = self._read
        return time + timedelta(seconds=self.now() - at)

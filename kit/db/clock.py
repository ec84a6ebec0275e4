"""The clock of the database, which all processes share."""

from datetime import datetime, timedelta

from kit.values.clock import Clock

# How far the clocks of two machines may drift apart: seconds for each second since the database was queried.
DRIFT = 0.001


class DatabaseClock(Clock):
    """A clock whose `wall` is the database's; until that was read, it is that of this machine.

    It decides what several processes have to agree on, such as when a lease or an unpaid order ends.
    Otherwise a process on a machine whose clock is wrong would end them early.
    """

    def __init__(self) -> None:
        # The server's time, when it was requested, and how long that took.
        self._read: tuple[datetime, float, float] | None = None

    def set(self, time: datetime, requested: float) -> None:
        """Set the clock to the server's `time`, which was requested when `now` was `requested`.

        So it is ahead by at most the time that the request took, and never behind times in rows that were
        committed. A slow response does not replace a faster one before that may have drifted as far.
        """
        now = self.now()
        if self._read is not None:
            _, at, took = self._read
            if now - requested > took + DRIFT * (now - at):
                return
        self._read = time, requested, now - requested

    def wall(self) -> datetime:
        if self._read is None:
            return super().wall()
        time, at, _ = self._read
        return time + timedelta(seconds=self.now() - at)

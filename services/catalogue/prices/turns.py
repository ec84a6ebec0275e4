"""Pauses of a long computation, so that other tasks run meanwhile, such as lists of plans."""

import asyncio
import time

# Seconds. If other tasks take longer than this when the computation yields to them, they have work to do.
IDLE = 0.0003
# After a statement, the computation pauses for this share of the statement's time, to leave the database and
# the processor to others; in each of its two halves (computing and writing), it pauses for at most MAX_REST
# seconds in all. With these values, a catalogue of some thousand plans is computed in some two seconds.
# A larger one takes long in any case, and its lists are slowed down by the database more than by this.
REST, MAX_REST = 0.8, 0.2


class Turns:
    """Lets other tasks run during one computation."""

    def __init__(self) -> None:
        self._rest = MAX_REST

    async def give_way(self, taken: float) -> None:
        """Yield to other tasks and, if they have work, pause for as many seconds as the computation took."""
        began = time.perf_counter()
        await asyncio.sleep(0)
        if time.perf_counter() - began > IDLE:
            await asyncio.sleep(taken)

    async def rest(self, began: float) -> None:
        """Pause after statements that ran since `began` of the performance counter."""
        pause = min(self._rest, REST * (time.perf_counter() - began))
        self._rest -= pause
        if pause > 0:
            await asyncio.sleep(pause)

"""A replica that is killed or frozen: which requests fail, and until when."""

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass

from tests.chaos.fleet.fleet import Fleet
from tests.chaos.fleet.response_log import ResponseLog

# Seconds of observation: longer than the slowest detection.
OBSERVED = 15.0
# Seconds until everything must have recovered, including interrupted work.
RECOVERY = 3.0
# Seconds after which a request counts as hung: a frozen gateway responds when it resumes.
HUNG_AFTER = 5.0
# Seconds after which no new request may fail because of it: a hanging call is detected by the pings of its
# connection, every three seconds with a timeout of four.
MAX_OUTAGE = 10.0
HUNG = f"answered after more than {HUNG_AFTER:g} s"
# Errors that clients may receive meanwhile, of the platform and of the balancer.
ALLOWED = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "502", "503", "504", HUNG})
# The outcome of a subscription at a killed gateway, and of a request that was in flight.
INTERRUPTED = frozenset(
    {"closed 1006", "closed None", "ServerDisconnectedError", "TimeoutError", "no answer"}
)


@dataclass(frozen=True, slots=True)
class ReplicaFailure:
    """The victim and how it failed, the outcomes, and when the last failing request began (`out`)."""

    victim: str
    mode: str
    bad: Counter[str]
    good: int
    out: float

    @property
    def faults(self) -> list[str]:
        unexpected = [
            f"{self.victim}: {outcome}"
            for outcome in self.bad
            if outcome not in ALLOWED | INTERRUPTED
        ]
        late = [f"{self.victim}: out after {self.out:.1f} s"] if self.out > MAX_OUTAGE else []
        return unexpected + late

    def __str__(self) -> str:
        others = ", ".join(f"{n} {outcome}" for outcome, n in self.bad.most_common()) or "nothing"
        return (
            f"{self.victim:<22} {self.mode:<8} out after {self.out:4.1f} s;"
            f" {self.good} good, otherwise {others}"
        )


async def fail(fleet: Fleet, log: ResponseLog, victim: str, mode: str) -> ReplicaFailure:
    """Kill or freeze the first replica of `victim`, observe, and restore it.

    Its address stays in DNS, as with the slowest of name servers.
    """
    replica = fleet.replicas[victim][0]
    began = time.monotonic()
    if mode == "kill -9":
        await replica.supervised.shut_down(signal.SIGKILL)
    else:
        replica.supervised.freeze()
    await asyncio.sleep(OBSERVED)
    if mode == "kill -9":
        await replica.supervised.start_again()
    else:
        replica.supervised.thaw()
    await asyncio.sleep(RECOVERY)
    responses = log.between(began)
    bad = [one for one in responses if not one.good or one.seconds > HUNG_AFTER]
    return ReplicaFailure(
        victim=replica.name,
        mode=mode,
        bad=Counter(HUNG if one.good else one.outcome for one in bad),
        good=len(responses) - len(bad),
        out=max((max(0.0, one.at - one.seconds - began) for one in bad), default=0.0),
    )

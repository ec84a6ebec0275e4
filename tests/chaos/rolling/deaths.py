"""A replica that is killed, or hangs: who notices, and when requests stop failing."""

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass

from tests.chaos.fleet.account import Account
from tests.chaos.fleet.fleet import Fleet

# Seconds of observation: longer than the slowest detection.
WATCHED = 15.0
# Seconds until everything must have recovered, including interrupted work.
RETURN = 3.0
# Seconds after which a response counts as one that hung: a frozen gateway sends it when it resumes.
LATE = 5.0
# Seconds after which no request may fail because of it: a hanging call is detected by the pings of its
# connection, every three seconds with a timeout of four.
OUT_WITHIN = 10.0
HUNG = f"answered after more than {LATE:g} s"
# Errors that clients may receive meanwhile, of the platform and of the balancer.
ALLOWED = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "502", "503", "504", HUNG})
# The outcome of a subscription at a killed gateway, and of a request that was in flight.
BROKEN_OFF = frozenset(
    {"closed 1006", "closed None", "ServerDisconnectedError", "TimeoutError", "no answer"}
)


@dataclass(frozen=True, slots=True)
class Death:
    """The victim and the method, the outcomes, and the seconds until the last failing request began."""

    victim: str
    manner: str
    bad: Counter[str]
    good: int
    out: float

    @property
    def faults(self) -> list[str]:
        strange = [
            f"{self.victim}: {what}" for what in self.bad if what not in ALLOWED | BROKEN_OFF
        ]
        late = [f"{self.victim}: out after {self.out:.1f} s"] if self.out > OUT_WITHIN else []
        return strange + late

    def __str__(self) -> str:
        words = ", ".join(f"{n} {what}" for what, n in self.bad.most_common()) or "nothing"
        return (
            f"{self.victim:<22} {self.manner:<8} out after {self.out:4.1f} s;"
            f" {self.good} good, otherwise {words}"
        )


async def strike(fleet: Fleet, account: Account, victim: str, manner: str) -> Death:
    """Strike the first replica of `victim`, observe, and restore it.

    Its address stays in DNS, as with the slowest of name servers.
    """
    replica = fleet.replicas[victim][0]
    began = time.monotonic()
    if manner == "kill -9":
        await replica.kept.hold(signal.SIGKILL)
    else:
        replica.kept.freeze()
    await asyncio.sleep(WATCHED)
    if manner == "kill -9":
        await replica.kept.let_go()
    else:
        replica.kept.thaw()
    await asyncio.sleep(RETURN)
    responses = account.between(began)
    bad = [one for one in responses if not one.good or one.seconds > LATE]
    return Death(
        victim=replica.name,
        manner=manner,
        bad=Counter(HUNG if one.good else one.what for one in bad),
        good=len(responses) - len(bad),
        out=max((max(0.0, one.at - one.seconds - began) for one in bad), default=0.0),
    )

"""A replica that dies without a word, or hangs: who notices, and when nobody hears of it any more."""

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass

from tests.chaos.fleet.account import Account
from tests.chaos.fleet.fleet import Fleet

# Seconds that a dead replica is watched: longer than the slowest of those who notice.
WATCHED = 15.0
# Seconds in which everybody finds a replica again, and hears of what it had left undone.
RETURN = 3.0
# Seconds after which an answer counts as one that hung: a frozen gateway gives it when it goes on.
LATE = 5.0
# Seconds after which no request may fail because of it any more: a call that hangs is noticed by the
# pings of its connection, every three seconds with four for the answer.
OUT_WITHIN = 10.0
HUNG = f"answered after more than {LATE:g} s"
# What a client may hear meanwhile: the platform's word for what is away and what takes too long, and
# the balancer's.
ALLOWED = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "502", "503", "504", HUNG})
# How a follower hears of a gateway that died, and how a request that was being answered.
BROKEN_OFF = frozenset(
    {"closed 1006", "closed None", "ServerDisconnectedError", "TimeoutError", "no answer"}
)


@dataclass(frozen=True, slots=True)
class Death:
    """What was struck and how; what clients heard; `out` seconds later the last bad request began."""

    victim: str
    manner: str
    bad: Counter[str]
    good: int
    out: float

    @property
    def faults(self) -> list[str]:
        """What must not be."""
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
    """Strikes the first replica of `victim`, watches, and brings it back.

    It is left in its name, as the worst of name servers would.
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
    heard = account.between(began)
    bad = [one for one in heard if not one.good or one.seconds > LATE]
    return Death(
        victim=replica.name,
        manner=manner,
        bad=Counter(HUNG if one.good else one.what for one in bad),
        good=len(heard) - len(bad),
        out=max((max(0.0, one.at - one.seconds - began) for one in bad), default=0.0),
    )

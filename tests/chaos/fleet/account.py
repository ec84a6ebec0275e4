"""What clients heard, when, and how long it took."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

# What is no failure.
GOOD = frozenset({"answered", "200", "event"})


@dataclass(frozen=True, slots=True)
class Heard:
    """One request and its end: `kind` of request, `what` came of it, `at` which time, in seconds.

    `seconds` is how long it took; times are of the monotonic clock.
    """

    kind: str
    what: str
    at: float
    seconds: float

    @property
    def good(self) -> bool:
        """Whether the client got what it asked for."""
        return self.what in GOOD


@dataclass(slots=True)
class Account:
    """Everything that was heard, in order."""

    heard: list[Heard] = field(default_factory=list)

    def add(self, kind: str, what: str, seconds: float) -> None:
        """Something was heard just now."""
        self.heard.append(Heard(kind, what, time.monotonic(), seconds))

    def between(self, begin: float, end: float = float("inf")) -> Sequence[Heard]:
        """What was heard in that time."""
        return [one for one in self.heard if begin <= one.at < end]


def table(heard: Sequence[Heard]) -> list[str]:
    """Lines: for each kind how much was good, how long that took, and what else was heard."""
    lines = [f"{'':<18}{'good':>7}{'p50 ms':>9}{'p99 ms':>9}  otherwise"]
    for kind in dict.fromkeys(one.kind for one in heard):
        mine = [one for one in heard if one.kind == kind]
        took = sorted(one.seconds for one in mine if one.good)
        other = Counter(one.what for one in mine if not one.good)
        words = ", ".join(f"{n} {what}" for what, n in other.most_common()) or "nothing"
        lines.append(f"{kind:<18}{len(took):>7}{_ms(took, 0.5):>9}{_ms(took, 0.99):>9}  {words}")
    return lines


def _ms(took: Sequence[float], share: float) -> str:
    return f"{took[int(share * (len(took) - 1))] * 1000:.0f}" if took else "-"

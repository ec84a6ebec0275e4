"""The responses that clients received, with their times and durations."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

# Outcomes that are no failure.
GOOD = frozenset({"answered", "200", "event"})


@dataclass(frozen=True, slots=True)
class Response:
    """One request and its outcome: `kind` of request, `what` it resulted in, `at` which time.

    `seconds` is the duration; times are of the monotonic clock.
    """

    kind: str
    what: str
    at: float
    seconds: float

    @property
    def good(self) -> bool:
        return self.what in GOOD


@dataclass(slots=True)
class Account:
    """All outcomes in order."""

    responses: list[Response] = field(default_factory=list)

    def add(self, kind: str, what: str, seconds: float) -> None:
        self.responses.append(Response(kind, what, time.monotonic(), seconds))

    def between(self, begin: float, end: float = float("inf")) -> Sequence[Response]:
        return [one for one in self.responses if begin <= one.at < end]


def table(responses: Sequence[Response]) -> list[str]:
    """Return lines: for each kind the successes, their durations, and the other outcomes."""
    lines = [f"{'':<18}{'good':>7}{'p50 ms':>9}{'p99 ms':>9}  otherwise"]
    for kind in dict.fromkeys(one.kind for one in responses):
        mine = [one for one in responses if one.kind == kind]
        took = sorted(one.seconds for one in mine if one.good)
        other = Counter(one.what for one in mine if not one.good)
        words = ", ".join(f"{n} {what}" for what, n in other.most_common()) or "nothing"
        lines.append(f"{kind:<18}{len(took):>7}{_ms(took, 0.5):>9}{_ms(took, 0.99):>9}  {words}")
    return lines


def _ms(took: Sequence[float], share: float) -> str:
    return f"{took[int(share * (len(took) - 1))] * 1000:.0f}" if took else "-"

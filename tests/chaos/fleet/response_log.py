"""The responses that clients received, with their times and durations."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

# Outcomes that are not failures.
GOOD = frozenset({"answered", "200", "event"})


@dataclass(frozen=True, slots=True)
class Response:
    """One request: its kind, its outcome, and when that was known on the monotonic clock (`at`).

    `seconds` is the duration.
    """

    kind: str
    outcome: str
    at: float
    seconds: float

    @property
    def good(self) -> bool:
        return self.outcome in GOOD


@dataclass(slots=True)
class ResponseLog:
    """All outcomes in order."""

    responses: list[Response] = field(default_factory=list)

    def add(self, kind: str, outcome: str, seconds: float) -> None:
        self.responses.append(Response(kind, outcome, time.monotonic(), seconds))

    def between(self, begin: float, end: float = float("inf")) -> Sequence[Response]:
        return [one for one in self.responses if begin <= one.at < end]


def table(responses: Sequence[Response]) -> list[str]:
    """Return a table with the number of successes of each kind, their durations, and the other outcomes."""
    lines = [f"{'':<18}{'good':>7}{'p50 ms':>9}{'p99 ms':>9}  other outcomes"]
    for kind in dict.fromkeys(one.kind for one in responses):
        of_kind = [one for one in responses if one.kind == kind]
        durations = sorted(one.seconds for one in of_kind if one.good)
        other = Counter(one.outcome for one in of_kind if not one.good)
        others = ", ".join(f"{n} {outcome}" for outcome, n in other.most_common()) or "nothing"
        lines.append(
            f"{kind:<18}{len(durations):>7}{_ms(durations, 0.5):>9}{_ms(durations, 0.99):>9}  {others}"
        )
    return lines


def _ms(durations: Sequence[float], share: float) -> str:
    return f"{durations[int(share * (len(durations) - 1))] * 1000:.0f}" if durations else "-"

"""The provider's rate limit: tokens per address in fixed windows of one second."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

# The provider's window.
WINDOW_SECONDS = 1
# Values of the headers while the limit is off, with which clients never wait.
UNLIMITED = 1_000_000
# Number of addresses after which those of past windows are removed.
MOST_ADDRESSES = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result for one request; `retry_after` is in whole seconds if it is refused."""

    limit: int
    remaining: int
    reset: datetime
    cost: int
    retry_after: int | None

    def headers(self) -> dict[str, str]:
        """Return the headers of the response."""
        reset = self.reset.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        content = {
            "X-Ratelimit-Limit": str(self.limit),
            "X-Ratelimit-Remaining": str(self.remaining),
            "X-Ratelimit-Reset": reset,
            "X-Ratelimit-Cost": str(self.cost),
        }
        return (
            content
            if self.retry_after is None
            else content | {"Retry-After": str(self.retry_after)}
        )


class Limiter:
    """Counts tokens by the machine's clock, not the sandbox's: clients wait in real seconds."""

    def __init__(self, wall: Callable[[], datetime]) -> None:
        self._wall = wall
        self._used: dict[str, tuple[int, int]] = {}

    def spend(self, address: str, cost: int, limit: int) -> Verdict:
        """Spend the tokens of one request; a limit of 0 never refuses."""
        now = self._wall().timestamp()
        window = math.floor(now / WINDOW_SECONDS)
        reset = datetime.fromtimestamp((window + 1) * WINDOW_SECONDS, UTC)
        if limit == 0:
            return Verdict(UNLIMITED, UNLIMITED - cost, reset, cost, None)
        known, used = self._used.get(address, (window, 0))
        used = used if known == window else 0
        # A request that costs more than the limit is allowed in an unused window.
        refused = used + cost > limit and used > 0
        if not refused:
            used = min(limit, used + cost)
            if len(self._used) >= MOST_ADDRESSES:
                self._used = {key: seen for key, seen in self._used.items() if seen[0] == window}
            self._used[address] = (window, used)
        wait = max(1, math.ceil((window + 1) * WINDOW_SECONDS - now)) if refused else None
        return Verdict(limit, limit - used, reset, cost, wait)

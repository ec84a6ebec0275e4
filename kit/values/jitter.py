"""Random parts of pauses and lifetimes, so that processes do not act at the same moment."""

import random

# A private generator: one that is seeded globally would synchronize all replicas.
CHANCE = random.Random()  # noqa: S311 - no secret depends on it


def shortened(seconds: float, by: float) -> float:
    """Return the time less a random part of it; `by` is the greatest part, such as 0.5."""
    return seconds * (1 - CHANCE.uniform(0, by))

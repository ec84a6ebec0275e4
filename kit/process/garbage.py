"""Garbage collection that does not halt a process with many long-lived objects."""

import gc

# Allocations between two collections of the youngest generation, and how many of these there are before the
# older ones are collected. Python's defaults (700, 10 and 10) would scan the objects of requests in flight,
# plans and compiled schemas again and again without freeing any: up to 80 ms each time.
THRESHOLDS = (20_000, 20, 50)


def settle() -> None:
    """Take all objects that exist now out of garbage collection, and collect less often from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

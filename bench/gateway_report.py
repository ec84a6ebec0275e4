"""Tables of the gateway's bench: medians over the rounds, and ratios to Apollo Server."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from bench.gateway_load import Run
from bench.gateway_servers import APOLLO

NAMES = (
    "a second",
    "p50 ms",
    "p99 ms",
    "cpu ms",
    "behind ms",
    "core %",
    "stolen %",
    "others %",
    "errors",
)
RATIOS = ("x Apollo", "core x")


def heading(query: str) -> str:
    """Return the line above a query's tables."""
    columns = "".join(f"{name:>10}" for name in NAMES) + "".join(f"{name:>10}" for name in RATIOS)
    return f"\n{query:<20}{columns}"


def table(connections: int, runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a line for each server.

    - "cpu" is the server's processor time for a request, "behind" that of all other processes except
      the load.
    - "core" is how busy the server was, "stolen" how much of its core other programs used.
    - "others" is how busy all our other processes were, with the load: near 100 on a machine of two
      cores, they are the bottleneck.
    - "x Apollo" compares requests in a second, "core x" requests in a second of processor time, which
      other programs on the core don't distort.
    """
    apollo_runs = runs.get(APOLLO)
    return "\n".join(
        _line(f"{server}, {connections}", server, found, apollo_runs)
        for server, found in runs.items()
    )


def _line(title: str, server: str, runs: Sequence[Run], apollo_runs: Sequence[Run] | None) -> str:
    rate, own = _rate(runs), _own(server, runs)
    figures = (
        f"{rate:>10,.0f}{_median(runs, lambda r: r.p50):>10.2f}{_median(runs, lambda r: r.p99):>10.2f}"
        f"{own:>10.3f}{_each(runs, lambda r: _behind(server, r)):>10.3f}"
        f"{_median(runs, lambda r: r.cpu[server] / r.seconds * 100):>10.0f}"
        f"{_median(runs, lambda r: max(0.0, r.core - r.cpu[server]) / r.seconds * 100):>10.0f}"
        f"{_median(runs, lambda r: _others(server, r)):>10.0f}{sum(r.errors for r in runs):>10}"
    )
    if apollo_runs:
        figures += f"{_ratio(rate, _rate(apollo_runs)):>10.2f}{_ratio(_own(APOLLO, apollo_runs), own):>10.2f}"
    return f"{title:<20}{figures}"


def _median(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    return statistics.median(map(figure, runs))


def _rate(runs: Sequence[Run]) -> float:
    return _median(runs, lambda run: run.requests / run.seconds)


def _ratio(figure: float, reference: float) -> float:
    return figure / reference if reference else math.nan


def _own(server: str, runs: Sequence[Run]) -> float:
    return _each(runs, lambda run: run.cpu[server])


def _each(runs: Sequence[Run], seconds: Callable[[Run], float]) -> float:
    """Return milliseconds for a request over all runs; nan if none was answered."""
    requests = sum(run.requests for run in runs)
    return sum(map(seconds, runs)) / requests * 1000 if requests else math.nan


def _behind(server: str, run: Run) -> float:
    return sum(run.cpu.values()) - run.cpu[server] - run.cpu["load"]


def _others(server: str, run: Run) -> float:
    return (sum(run.cpu.values()) - run.cpu[server]) / run.seconds * 100

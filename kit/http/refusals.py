"""Metric and log lines for clients that exceed a limit of an HTTP server."""

import logging

from kit.logs.episodes import Episodes
from kit.telemetry import metrics

logger = logging.getLogger(__name__)
episodes = Episodes(logger)


def refused(bound: str) -> None:
    """Count and log a refusal. `bound` is one of the limits listed in docs/security.md."""
    metrics.counter(
        "esimgo_http_refused",
        "Connections, requests and messages of clients that were refused, by the bound",
        ("bound",),
    ).labels(bound).inc()
    episodes.record(
        f"clients are refused by the limit {bound}",
        "a client was refused by the limit %s; docs/security.md names its setting",
        bound,
        level=logging.INFO,
    )

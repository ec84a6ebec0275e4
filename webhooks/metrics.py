"""Metrics of the webhook process."""

from kit.telemetry import metrics
from webhooks.callback import Owner
from webhooks.delivery_store import State
from webhooks.reading import KNOWN

UNSIGNED = ("bad signature", "unsigned", "old timestamp", "no secret")


class Metrics:
    """Counts callbacks and their deliveries."""

    def __init__(self) -> None:
        self._received = metrics.counter(
            "esimgo_webhooks_received",
            "Received callbacks, by type and result",
            ("type", "result"),
        )
        self._signatures = metrics.counter(
            "esimgo_webhooks_signature_failures",
            "Callbacks that none of the configured keys signed",
            ("result",),
        )
        self._attempts = metrics.counter(
            "esimgo_webhooks_attempts",
            "Attempts to deliver, by owner and outcome",
            ("owner", "state", "outcome"),
        )
        self._dead = metrics.counter(
            "esimgo_webhooks_dead", "Events that became dead letters, by owner", ("owner",)
        )
        self._absences = metrics.counter(
            "esimgo_webhooks_absences", "Calls for which an owner was unavailable", ("owner",)
        )
        self._age = metrics.histogram(
            "esimgo_webhooks_delivery_age_seconds",
            "Time from receiving a callback until its owner had applied it, by type",
            ("type",),
            buckets=metrics.WORK,
        )
        self._undelivered = metrics.gauge(
            "esimgo_webhooks_events", "Events by state: PENDING, DEAD, KEPT, FOREIGN", ("state",)
        )

        # An alert notices an increase only if the counter was exported before it.
        for owner in Owner:
            self._dead.labels(owner)
            self._absences.labels(owner)
        for result in UNSIGNED:
            self._signatures.labels(result)

    def received(self, kind: str, result: str) -> None:
        """Count a received callback. Senders choose the type, so unknown types share one time series."""
        self._received.labels(_known(kind), result).inc()

    def refused(self, result: str) -> None:
        """Count a callback that was refused before its body was read."""
        self._received.labels("unread", result).inc()
        if result in UNSIGNED:
            self._signatures.labels(result).inc()

    def attempted(self, owner: Owner, state: State, outcome: str) -> None:
        self._attempts.labels(owner, state, outcome).inc()
        if state is State.DEAD:
            self._dead.labels(owner).inc()

    def delivered(self, kind: str, age: float) -> None:
        """Record the seconds from receiving an event until its owner applied it."""
        self._age.labels(_known(kind)).observe(max(0.0, age))

    def absent(self, owner: Owner) -> None:
        self._absences.labels(owner).inc()

    def measured(self, oldest: float, undelivered: dict[State, int]) -> None:
        """Set the gauges of undelivered events; `oldest` is in seconds."""
        metrics.gauge(
            "esimgo_webhooks_oldest_pending_seconds", "Age of the oldest event not delivered yet"
        ).set(oldest)
        for state in (State.PENDING, State.DEAD, State.KEPT, State.FOREIGN):
            self._undelivered.labels(state).set(undelivered.get(state, 0))


def _known(kind: str) -> str:
    return kind if kind in KNOWN else "unknown"

"""What the webhook process measures, through OpenTelemetry's API; without an SDK it costs nothing."""

from opentelemetry import metrics

from kit.buckets import WORK
from webhooks.callback import Owner
from webhooks.delivery_store import State
from webhooks.understand import KNOWN

UNSIGNED = ("bad signature", "unsigned")


class Metrics:
    """Instruments of the meter `esimgo.webhooks`, of the process's provider or of another."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("esimgo.webhooks", meter_provider=provider)
        self._received = meter.create_counter(
            "esimgo.webhooks.received", "{callback}", "Callbacks that came in, by type and result"
        )
        self._signatures = meter.create_counter(
            "esimgo.webhooks.signature_failures",
            "{callback}",
            "Callbacks refused as not signed by us",
        )
        self._attempts = meter.create_counter(
            "esimgo.webhooks.attempts", "{attempt}", "Attempts to hand over, by owner and outcome"
        )
        self._dead = meter.create_counter(
            "esimgo.webhooks.dead", "{event}", "Events that became dead letters, by owner"
        )
        self._absences = meter.create_counter(
            "esimgo.webhooks.absences", "{call}", "Calls that found an owner away"
        )
        self._age = meter.create_histogram(
            "esimgo.webhooks.delivery.age",
            "s",
            "Time from a callback's reception until its owner had taken it in, by type",
            explicit_bucket_boundaries_advisory=WORK,
        )
        self._oldest = meter.create_gauge(
            "esimgo.webhooks.oldest_pending", "s", "Age of the oldest event not handed over yet"
        )
        self._resting = meter.create_gauge(
            "esimgo.webhooks.events", "{event}", "Events by state: PENDING, DEAD, KEPT, FOREIGN"
        )

        # An alert sees a counter rise only from a value that was there before.
        for owner in Owner:
            self._dead.add(0, {"owner": owner})
            self._absences.add(0, {"owner": owner})
        for result in UNSIGNED:
            self._signatures.add(0, {"result": result})

    def received(self, kind: str, result: str) -> None:
        """Count a received callback. Senders choose the type, so unknown types share one time series."""
        self._received.add(1, {"type": _known(kind), "result": result})

    def refused(self, result: str) -> None:
        """Count a callback that was refused before its body was read."""
        self._received.add(1, {"type": "unread", "result": result})
        if result in UNSIGNED:
            self._signatures.add(1, {"result": result})

    def attempted(self, owner: Owner, state: State, outcome: str) -> None:
        self._attempts.add(1, {"owner": owner, "state": state, "outcome": outcome})
        if state is State.DEAD:
            self._dead.add(1, {"owner": owner})

    def delivered(self, kind: str, age: float) -> None:
        """Record the seconds from receiving an event until its owner applied it."""
        self._age.record(max(0.0, age), {"type": _known(kind)})

    def absent(self, owner: Owner) -> None:
        self._absences.add(1, {"owner": owner})

    def measured(self, oldest: float, resting: dict[State, int]) -> None:
        """Set the gauges of deliveries; `oldest` is in seconds."""
        self._oldest.set(oldest)
        for state in (State.PENDING, State.DEAD, State.KEPT, State.FOREIGN):
            self._resting.set(resting.get(state, 0), {"state": state})


def _known(kind: str) -> str:
    return kind if kind in KNOWN else "unknown"

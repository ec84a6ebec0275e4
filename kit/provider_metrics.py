"""What the provider client measures, through OpenTelemetry's API; without an SDK it costs nothing."""

from opentelemetry import metrics

from kit.provider_circuit import State

# Paths nobody foresaw must not make a time series each.
MAX_ENDPOINTS = 200
CIRCUIT_LEVELS: dict[State, int] = {"closed": 0, "half-open": 1, "open": 2}


class Metrics:
    """Instruments of the meter `esimgo.provider`."""

    def __init__(self) -> None:
        meter = metrics.get_meter("esimgo.provider")
        self._duration = meter.create_histogram(
            "esimgo.provider.request.duration", "s", "Time of one attempt, by endpoint and status"
        )
        self._failures = meter.create_counter(
            "esimgo.provider.failures", "{failure}", "Failed attempts, by endpoint and reason"
        )
        self._tokens = meter.create_gauge(
            "esimgo.provider.tokens", "{token}", "Tokens left in the provider's window"
        )
        self._circuit = meter.create_gauge(
            "esimgo.provider.circuit", "1", "0 closed, 1 half-open, 2 open"
        )
        self._endpoints: set[str] = set()

    def answered(self, endpoint: str, status: int | None, seconds: float) -> None:
        """Records one attempt; `status` is None when no answer came."""
        self._duration.record(
            seconds, {"endpoint": self._known(endpoint), "status": str(status or "none")}
        )

    def failed(self, endpoint: str, reason: str) -> None:
        self._failures.add(1, {"endpoint": self._known(endpoint), "reason": reason})

    def tokens(self, left: int) -> None:
        self._tokens.set(left)

    def circuit(self, state: State) -> None:
        self._circuit.set(CIRCUIT_LEVELS[state])

    def _known(self, endpoint: str) -> str:
        if endpoint not in self._endpoints and len(self._endpoints) >= MAX_ENDPOINTS:
            return "other"
        self._endpoints.add(endpoint)
        return endpoint

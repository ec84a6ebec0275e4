"""What the provider client measures, through OpenTelemetry's API; without an SDK it costs nothing."""

from opentelemetry import metrics

from kit.buckets import ANSWERS
from kit.provider_circuit import State

# Paths nobody foresaw must not make a time series each.
MAX_ENDPOINTS = 200
CIRCUIT_LEVELS: dict[State, int] = {"closed": 0, "half-open": 1, "open": 2}


class Metrics:
    """Instruments of the meter `esimgo.provider`."""

    def __init__(self) -> None:
        meter = metrics.get_meter("esimgo.provider")
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Time of one request to the provider, until its whole answer is here",
            explicit_bucket_boundaries_advisory=ANSWERS,
        )
        self._wait = meter.create_histogram(
            "esimgo.provider.wait",
            "s",
            "Time that a request waited until the rate limit allowed it",
            explicit_bucket_boundaries_advisory=ANSWERS,
        )
        self._failures = meter.create_counter(
            "esimgo.provider.failures", "{failure}", "Failed attempts, by endpoint and reason"
        )
        self._tokens = meter.create_gauge(
            "esimgo.provider.tokens", "{token}", "Tokens left in the provider's window"
        )
        self._circuit = meter.create_gauge(
            "esimgo.provider.circuit", "{level}", "0 closed, 1 half-open, 2 open"
        )
        self._circuit.set(CIRCUIT_LEVELS["closed"])
        self._held = meter.create_gauge(
            "esimgo.provider.held",
            "s",
            "Time until calls to the provider are tried again after it asked for a pause; * is all calls",
        )
        self._held.set(0, {"endpoint": "*"})
        self._endpoints: set[str] = set()

    def waited(self, seconds: float) -> None:
        self._wait.record(seconds)

    def answered(self, endpoint: str, status: int | None, seconds: float) -> None:
        """Records one attempt; `status` is None when no answer came."""
        method, _, path = self._known(endpoint).partition(" ")
        self._duration.record(
            seconds,
            {
                "http.request.method": method,
                "url.template": path,
                "http.response.status_code": str(status or "none"),
            },
        )

    def failed(self, endpoint: str, reason: str) -> None:
        self._failures.add(1, {"endpoint": self._known(endpoint), "reason": reason})

    def tokens(self, left: int) -> None:
        self._tokens.set(left)

    def circuit(self, state: State) -> None:
        self._circuit.set(CIRCUIT_LEVELS[state])

    def held(self, endpoint: str, seconds: float) -> None:
        self._held.set(seconds, {"endpoint": self._known(endpoint)})

    def _known(self, endpoint: str) -> str:
        if endpoint not in self._endpoints and len(self._endpoints) >= MAX_ENDPOINTS:
            return "_OTHER other"
        self._endpoints.add(endpoint)
        return endpoint

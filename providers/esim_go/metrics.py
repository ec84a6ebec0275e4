"""Metrics of the provider client."""

from kit.telemetry import metrics
from providers.esim_go.circuit import State

# Unforeseen paths must not create a time series each.
MAX_ENDPOINTS = 200
CIRCUIT_LEVELS: dict[State, int] = {"closed": 0, "half-open": 1, "open": 2}


class Metrics:
    """Metrics of the calls to the provider, and of what delays them."""

    def __init__(self) -> None:
        self._duration = metrics.histogram(
            "http_client_request_duration_seconds",
            "Time of one request to the provider, until its response was received completely",
            ("http_request_method", "url_template", "http_response_status_code"),
            buckets=metrics.ANSWERS,
        )
        self._wait = metrics.histogram(
            "esimgo_provider_wait_seconds",
            "Time that a request waited until the rate limit allowed it",
            buckets=metrics.ANSWERS,
        )
        self._failures = metrics.counter(
            "esimgo_provider_failures",
            "Failed requests to the provider, by endpoint and reason",
            ("endpoint", "reason"),
        )
        self._circuit = metrics.gauge("esimgo_provider_circuit", "0 closed, 1 half-open, 2 open")
        self._circuit.set(CIRCUIT_LEVELS["closed"])
        self._held = metrics.gauge(
            "esimgo_provider_held_seconds",
            "Time until calls are tried again after the provider requested a pause; * is all calls",
            ("endpoint",),
        )
        self._held.labels("*").set(0)
        self._endpoints: set[str] = set()

    def waited(self, seconds: float) -> None:
        self._wait.observe(seconds)

    def answered(self, endpoint: str, status: int | None, seconds: float) -> None:
        """Record one attempt; `status` is None without a response."""
        method, _, path = self._known(endpoint).partition(" ")
        self._duration.labels(method, path, status or "none").observe(seconds)

    def failed(self, endpoint: str, reason: str) -> None:
        self._failures.labels(self._known(endpoint), reason).inc()

    def tokens(self, left: int) -> None:
        # Created with the first reported value, because 0 would mean an exhausted window.
        metrics.gauge("esimgo_provider_tokens", "Tokens left in the provider's window").set(left)

    def circuit(self, state: State) -> None:
        self._circuit.set(CIRCUIT_LEVELS[state])

    def held(self, endpoint: str, seconds: float) -> None:
        self._held.labels(self._known(endpoint)).set(seconds)

    def _known(self, endpoint: str) -> str:
        if endpoint not in self._endpoints and len(self._endpoints) >= MAX_ENDPOINTS:
            return "_OTHER other"
        self._endpoints.add(endpoint)
        return endpoint

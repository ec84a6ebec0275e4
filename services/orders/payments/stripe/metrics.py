"""Metrics of the calls to Stripe."""

from kit.telemetry import metrics


class Metrics:
    """Counts and times calls by endpoint, which is one of a fixed list."""

    def __init__(self) -> None:
        self._duration = metrics.histogram(
            "http_client_request_duration_seconds",
            "Time of one request to the provider, until its response was received completely",
            ("http_request_method", "url_template", "http_response_status_code"),
            buckets=metrics.ANSWERS,
        )
        self._failures = metrics.counter(
            "esimgo_payment_provider_failures",
            "Failed calls to the payment provider, by endpoint and reason",
            ("endpoint", "reason"),
        )

    def answered(self, endpoint: str, status: int | None, seconds: float) -> None:
        """Record one call; `status` is None without a response."""
        method, _, path = endpoint.partition(" ")
        self._duration.labels(method, path, status or "none").observe(seconds)

    def failed(self, endpoint: str, reason: str) -> None:
        self._failures.labels(endpoint, reason).inc()

"""Metrics of gRPC calls: durations by OpenTelemetry's conventions, and failures by reason."""

from functools import cache
from typing import Any

from kit.errors import Failure
from kit.rpc.errors import CODES
from kit.telemetry import metrics

# The code has a few dozen reasons, but a peer of another version may send more.
MAX_REASONS = 200
CALL = ("rpc_system_name", "rpc_method", "rpc_response_status_code")


class ServerMetrics:
    """Metrics of the calls that this process serves."""

    def __init__(self) -> None:
        duration = metrics.histogram(
            "rpc_server_call_duration_seconds",
            "Duration of a call to this process, without streams",
            CALL,
            buckets=metrics.ANSWERS,
        )
        self._series = cache(duration.labels)  # methods and codes: a few hundred
        self._failures = metrics.counter(
            "esimgo_rpc_failures",
            "Calls that failed here, by method, kind and reason",
            ("rpc_method", "kind", "reason"),
        )
        self._streams = metrics.gauge(
            "esimgo_rpc_streams", "Streams that are open here", ("rpc_method",)
        )
        self._reasons: set[str] = set()

    def served(self, method: str, code: str, seconds: float) -> None:
        """Record a unary call; `code` is gRPC's name of the status."""
        self._series("grpc", method[1:], code).observe(seconds)

    def failed(self, method: str, failure: Failure) -> None:
        reason = failure.reason
        if reason not in self._reasons and len(self._reasons) >= MAX_REASONS:
            reason = "OTHER"
        self._reasons.add(reason)
        self._failures.labels(method[1:], failure.kind, reason).inc()

    def streaming(self, method: str, change: int) -> None:
        """Add to the number of open streams of a method; `change` may be negative."""
        self._streams.labels(method[1:]).inc(change)


class BoundMetrics:
    """Metrics of unread responses, and of the connections closed because of them or of their metadata."""

    def __init__(self) -> None:
        self._unread = metrics.gauge(
            "esimgo_rpc_unread_bytes", "Bytes of responses that callers have not read yet"
        )
        self._closed = metrics.counter(
            "esimgo_rpc_connections_closed",
            "Connections that were closed because their callers did not read responses, or sent floods of"
            " metadata",
        )

    def unread(self, change: int) -> None:
        """Add to the number of unread bytes; `change` may be negative."""
        self._unread.inc(change)

    def connection_closed(self) -> None:
        self._closed.inc()


class ClientMetrics:
    """Metrics of the calls that this process makes."""

    def __init__(self) -> None:
        duration = metrics.histogram(
            "rpc_client_call_duration_seconds",
            "Duration of a call to another process, measured by the caller, without streams",
            CALL,
            buckets=metrics.ANSWERS,
        )
        self._series = cache(duration.labels)  # methods and codes: a few hundred

    def called(self, method: Any, failure: Failure | None, seconds: float) -> None:
        """Record a call of a stub's method, and its failure if it failed."""
        code = "OK" if failure is None else CODES[failure.kind].name
        self._series("grpc", name_of(method)[1:], code).observe(seconds)


def name_of(method: Any) -> str:
    """Return the path of a stub's method, from a private field of gRPC, because an interceptor costs more."""
    path = getattr(method, "_method", b"")
    return path.decode() if isinstance(path, bytes) else str(path)

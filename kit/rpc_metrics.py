"""How long gRPC calls take and how they fail, by OpenTelemetry's conventions and by our reasons."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from opentelemetry import metrics

from kit.buckets import ANSWERS
from kit.errors import Failure
from kit.rpc_errors import CODES

# Reasons are constants in the code, and a few dozen; what came from another version may be more.
MAX_REASONS = 200


class ServerMetrics:
    """Calls that this process answers."""

    def __init__(self) -> None:
        meter = metrics.get_meter("esimgo.rpc")
        self._duration = meter.create_histogram(
            "rpc.server.call.duration",
            "s",
            "Time of a call that was answered here; streams are left out",
            explicit_bucket_boundaries_advisory=ANSWERS,
        )
        self._failures = meter.create_counter(
            "esimgo.rpc.failures", "{call}", "Calls that failed here, by method, kind and reason"
        )
        self._streams = meter.create_up_down_counter(
            "esimgo.rpc.streams", "{stream}", "Streams that are open here"
        )
        self._reasons: set[str] = set()

    def served(self, method: str, code: str, seconds: float) -> None:
        """A call with one answer has ended; `code` is gRPC's name of the status."""
        self._duration.record(seconds, _attributes(method, code))

    def failed(self, method: str, failure: Failure) -> None:
        reason = failure.reason
        if reason not in self._reasons and len(self._reasons) >= MAX_REASONS:
            reason = "OTHER"
        self._reasons.add(reason)
        self._failures.add(
            1, {"rpc.method": method[1:], "kind": str(failure.kind), "reason": reason}
        )

    def streaming(self, method: str, change: int) -> None:
        """So many streams more, or less."""
        self._streams.add(change, {"rpc.method": method[1:]})


class BoundMetrics:
    """What the bounds of a server hold, and what they cost its callers."""

    def __init__(self) -> None:
        meter = metrics.get_meter("esimgo.rpc")
        self._unread = meter.create_up_down_counter(
            "esimgo.rpc.unread", "By", "Bytes of answers that callers have not read yet"
        )
        self._cut = meter.create_counter(
            "esimgo.rpc.connections.closed",
            "{connection}",
            "Connections that were closed, as their callers did not read",
        )
        self._cut.add(0)  # shown before the first one too, so that a rise from nothing is seen

    def unread(self, change: int) -> None:
        """So many bytes more, or less."""
        self._unread.add(change)

    def cut(self) -> None:
        """A connection was closed."""
        self._cut.add(1)


class ClientMetrics:
    """Calls that this process makes."""

    def __init__(self) -> None:
        self._duration = metrics.get_meter("esimgo.rpc").create_histogram(
            "rpc.client.call.duration",
            "s",
            "Time of a call to a peer as its caller sees it; streams are left out",
            explicit_bucket_boundaries_advisory=ANSWERS,
        )

    def called(self, method: Any, failure: Failure | None, seconds: float) -> None:
        """A stub's method was called and answered, or failed."""
        code = "OK" if failure is None else CODES[failure.kind].name
        self._duration.record(seconds, _attributes(name_of(method), code))


def name_of(method: Any) -> str:
    """The path that a stub's method calls; gRPC keeps it to itself, and an interceptor costs more."""
    path = getattr(method, "_method", b"")
    return path.decode() if isinstance(path, bytes) else str(path)


@cache  # methods that exist and gRPC's codes: a few hundred
def _attributes(method: str, code: str) -> Mapping[str, str]:
    return {
        "rpc.system.name": "grpc",
        "rpc.method": method[1:],
        "rpc.response.status_code": code,
    }

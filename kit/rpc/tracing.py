"""Spans of gRPC calls on both sides, by OpenTelemetry's conventions.

They are not created by interceptors: a client interceptor wraps each call in another task, and those of
OpenTelemetry's own package have hung on asynchronous clients.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from opentelemetry.trace import SpanKind

from kit.rpc.metrics import name_of
from kit.telemetry import tracing
from kit.telemetry.tracing import SpanScope

STATUS = "rpc.response.status_code"


def server_span(method: str, metadata: Iterable[tuple[str, str | bytes]] | None) -> SpanScope:
    """Return the span of a call that this process serves; it continues the caller's trace."""
    headers = {key: value for key, value in metadata or () if key in ("traceparent", "tracestate")}
    parent = tracing.from_traceparent(
        _text(headers.get("traceparent")), _text(headers.get("tracestate"))
    )
    return tracing.server_span(method[1:], _attributes(method[1:]), parent=parent)


def client_span(method: Any) -> SpanScope:
    """Return the span of a call to a peer through a stub's method."""
    name = name_of(method)[1:]
    return tracing.child_or_linked_span(name, _attributes(name), SpanKind.CLIENT)


@cache  # there are a few dozen methods
def _attributes(method: str) -> Mapping[str, str]:
    return {"rpc.system.name": "grpc", "rpc.method": method}


def _text(value: str | bytes | None) -> str | None:
    return value if isinstance(value, str) else None

"""Spans of incoming HTTP requests, by OpenTelemetry's conventions."""

from collections.abc import Collection, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from kit.telemetry import tracing
from kit.telemetry.tracing import SpanScope

SPAN = web.RequestKey("span", SpanScope)
# The methods that the traced paths accept.
METHODS = frozenset({"GET", "POST", "OPTIONS"})
STATUS = "http.response.status_code"


def trace_requests(app: web.Application, paths: Collection[str], *, trusted: bool = False) -> None:
    """Create a span for each request to one of these paths, if this process creates spans.

    With `trusted`, the span continues the caller's trace. Otherwise it only links to it, because the
    parent decides whether the span is recorded.
    """
    if not (tracing.enabled() or trusted):
        return

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in paths or request.method not in METHODS:
            return await handler(request)
        method, path, headers = request.method, request.path, request.headers
        with _server_span(method, path, request.scheme, headers, trusted=trusted) as span:
            request[SPAN] = span
            try:
                response = await handler(request)
            except web.HTTPException as refusal:
                _record_status(span, refusal.status)
                span.end()
                raise
            _record_status(span, response.status)
            return response

    async def opened(request: web.Request, response: web.StreamResponse) -> None:
        """End the span when the headers are sent, because sockets and streams may last for days."""
        span = request.get(SPAN)
        if span is not None:
            _record_status(span, response.status)
            span.end()

    app.middlewares.insert(0, around)
    app.on_response_prepare.append(opened)


def _server_span(
    method: str, path: str, scheme: str, headers: Mapping[str, str], *, trusted: bool
) -> SpanScope:
    remote = tracing.from_traceparent(
        headers.get("traceparent"),
        headers.get("tracestate") if trusted else None,  # could be any text
    )
    attributes = {
        "http.request.method": method,
        "http.route": path,
        "url.path": path,
        "url.scheme": scheme,
    }
    parent, link = (remote, None) if trusted else (None, remote)
    return tracing.server_span(f"{method} {path}", attributes, parent=parent, link=link)


def _record_status(span: SpanScope, status: int) -> None:
    span.set(STATUS, status)
    if status >= 500:
        span.fail_as(str(status))

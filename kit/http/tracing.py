"""Spans of HTTP requests that come in, by OpenTelemetry's conventions."""

from collections.abc import Collection, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from kit.telemetry import tracing
from kit.telemetry.tracing import SpanScope

SPAN = web.RequestKey("span", SpanScope)
# Of the methods, those that the traced paths know: others are of a stranger's making.
METHODS = frozenset({"GET", "POST", "OPTIONS"})
STATUS = "http.response.status_code"


def trace_requests(app: web.Application, paths: Collection[str], *, trusted: bool = False) -> None:
    """Gives requests for these paths a span: probes and rubbish make none.

    Only with `trusted` is a caller's traceparent the span's parent: who sets that decides what is
    recorded, and whose trace it shows in. Otherwise it is linked.
    """

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not (tracing.enabled() or trusted):
            return await handler(request)
        if request.path not in paths or request.method not in METHODS:
            return await handler(request)
        method, path, headers = request.method, request.path, request.headers
        with _begun(method, path, request.scheme, headers, trusted=trusted) as span:
            request[SPAN] = span
            try:
                response = await handler(request)
            except web.HTTPException as refusal:
                _answered(span, refusal.status)
                span.end()
                raise
            _answered(span, response.status)
            return response

    async def opened(request: web.Request, response: web.StreamResponse) -> None:
        """Headers go out: of a socket or a stream, whose end may be days away."""
        span = request.get(SPAN)
        if span is not None:
            _answered(span, response.status)
            span.end()

    app.middlewares.insert(0, around)
    app.on_response_prepare.append(opened)


def _begun(
    method: str, path: str, scheme: str, headers: Mapping[str, str], *, trusted: bool
) -> SpanScope:
    """The span of a request with these headers, for a traced path."""
    theirs = tracing.from_traceparent(
        headers.get("traceparent"),
        headers.get("tracestate") if trusted else None,  # a stranger's text otherwise
    )
    told = {
        "http.request.method": method,
        "http.route": path,
        "url.path": path,
        "url.scheme": scheme,
    }
    parent, link = (theirs, None) if trusted else (None, theirs)
    return tracing.server_span(f"{method} {path}", told, parent=parent, link=link)


def _answered(span: SpanScope, status: int) -> None:
    """Record the status of the response."""
    span.set(STATUS, status)
    if status >= 500:
        span.fail_as(str(status))

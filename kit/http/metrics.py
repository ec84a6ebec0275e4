"""Duration of incoming HTTP requests, by OpenTelemetry's conventions."""

import time
from functools import cache

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from kit.telemetry import metrics

# A client may send any other method, which must not create a time series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def measured() -> Middleware:
    """Return a middleware, to be installed first, that measures all requests of an application.

    WebSockets and event streams, which stay open by design, are not measured.
    """
    duration = metrics.histogram(
        "http_server_request_duration_seconds",
        "Time from a request's headers to the end of its answer",
        ("http_request_method", "http_route", "http_response_status_code", "url_scheme"),
        buckets=metrics.ANSWERS,
    )
    series = cache(duration.labels)  # prometheus_client checks labels at every call

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        status, stays_open = 500, False
        try:
            response = await handler(request)
            status, stays_open = response.status, _stays_open(response)
        except web.HTTPException as answer:
            status = answer.status
            raise
        except ConnectionError:
            status = 499  # the client disconnected, as in nginx
            raise
        else:
            return response
        finally:
            if not stays_open:
                method = request.method if request.method in METHODS else "_OTHER"
                labels = (method, _route(request), status, request.scheme)
                series(*labels).observe(time.perf_counter() - began)

    return measure


def _stays_open(response: web.StreamResponse) -> bool:
    return not isinstance(response, web.Response) and (
        isinstance(response, web.WebSocketResponse) or response.content_type == "text/event-stream"
    )


def _route(request: web.Request) -> str:
    """Return the route as it was registered; empty for an unknown path."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical

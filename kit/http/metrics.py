"""How long HTTP requests take that come in, by OpenTelemetry's conventions."""

import time
from functools import cache

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from kit.telemetry import metrics

# Others are of a stranger's making, and would each be a time series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def measured() -> Middleware:
    """Return the outermost middleware of an application, which measures all its requests.

    What stays open by design (sockets, events) is left out.
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
            status = 499  # the client went away; what nginx calls it
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
    """As it was added to the application; empty for a path that leads nowhere."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical

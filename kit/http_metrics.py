"""How long HTTP requests take that come in, by OpenTelemetry's conventions."""

import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry import metrics

from kit.buckets import ANSWERS

# Others are of a stranger's making, and would each be a time series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def measured() -> Middleware:
    """Return the outermost middleware of an application, which measures all its requests.

    What stays open by design (sockets, events) is left out.
    """
    duration = metrics.get_meter("esimgo.http").create_histogram(
        "http.server.request.duration",
        "s",
        "Time from a request's headers to the end of its answer",
        explicit_bucket_boundaries_advisory=ANSWERS,
    )

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
                duration.record(time.perf_counter() - began, _attributes(request, status))

    return measure


def _attributes(request: web.Request, status: int) -> dict[str, str | int]:
    return {
        "http.request.method": request.method if request.method in METHODS else "_OTHER",
        "http.route": _route(request),
        "http.response.status_code": status,
        "url.scheme": request.scheme,
    }


def _stays_open(response: web.StreamResponse) -> bool:
    return not isinstance(response, web.Response) and (
        isinstance(response, web.WebSocketResponse) or response.content_type == "text/event-stream"
    )


def _route(request: web.Request) -> str:
    """As it was added to the application; empty for a path that leads nowhere."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical

"""How long HTTP requests take that come in, by OpenTelemetry's conventions."""

import time
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry import metrics
from opentelemetry.util.types import AttributeValue

from kit.buckets import ANSWERS

# Others are of a stranger's making, and would each be a time series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Requests:
    """The requests of one application."""

    def __init__(self) -> None:
        self._duration = metrics.get_meter("esimgo.http").create_histogram(
            "http.server.request.duration",
            "s",
            "Time from a request's headers to the end of its answer",
            explicit_bucket_boundaries_advisory=ANSWERS,
        )

    def attributes(self, request: web.Request, status: int) -> dict[str, str | int]:
        """What is told of a request with such an answer."""
        return {
            "http.request.method": request.method if request.method in METHODS else "_OTHER",
            "http.route": _route(request),
            "http.response.status_code": status,
            "url.scheme": request.scheme,
        }

    def took(self, seconds: float, attributes: Mapping[str, AttributeValue]) -> None:
        """A request has its answer."""
        self._duration.record(seconds, attributes)

    def middleware(self) -> Middleware:
        """Measures all; what stays open by design (sockets, events) is left out."""

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
                    self.took(time.perf_counter() - began, self.attributes(request, status))

        return measure


def measured() -> Middleware:
    """Measures all requests of an application; the outermost of its middlewares."""
    return Requests().middleware()


def _stays_open(response: web.StreamResponse) -> bool:
    return not isinstance(response, web.Response) and (
        isinstance(response, web.WebSocketResponse) or response.content_type == "text/event-stream"
    )


def _route(request: web.Request) -> str:
    """As it was added to the application; empty for a path that leads nowhere."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical

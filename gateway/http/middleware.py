"""The outermost middleware: request ids, JSON errors, and the headers that every response has."""

from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import istr

from gateway import errors
from gateway.http import answer
from gateway.http.cors import Pages
from kit.logs import request_id
from kit.logs.log import redact
from kit.telemetry import tracing

PATH = "/graphql"
X_REQUEST_ID = istr("X-Request-Id")


class Edge:
    """Assigns request ids and formats errors as JSON. With `stopping`, responses close their connection."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.stopping = False

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Assign a request id, run the handler, and turn its exceptions into responses."""
        adopted = request_id.adopt_or_create(request.headers.get(X_REQUEST_ID, ""))
        if tracing.recording():
            tracing.set_attribute("esimgo.request.id", redact(adopted))
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            response = _refused(request, refusal)
        except ConnectionError:
            raise  # the client disconnected
        except Exception as error:  # noqa: BLE001 - any other error is masked
            response = web.json_response(
                {"errors": [errors.masked(error, request_id.current())]}, status=500
            )
        if self.stopping:
            response.force_close()  # otherwise a busy keep-alive connection would delay the exit
        return response

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Set the request id, caching and CORS headers before the headers of a response are sent."""
        response.headers.setdefault(X_REQUEST_ID, request_id.current())
        # Also of errors: a cache that stored the refusal of one request would refuse it to everybody.
        response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        self._pages.mark(request, response)


def _refused(request: web.Request, refusal: web.HTTPException) -> web.Response:
    if isinstance(refusal, web.HTTPNotFound):
        return answer.error(request, 404, f"Not found; the GraphQL endpoint is {PATH}", "NOT_FOUND")
    status = HTTPStatus(refusal.status)
    response = answer.error(request, status, refusal.text or status.phrase, status.name)
    for name in ("Allow", "Retry-After"):
        if name in refusal.headers:
            response.headers[name] = refusal.headers[name]
    return response

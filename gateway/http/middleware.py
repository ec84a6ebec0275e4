"""The outermost middleware: request ids, JSON errors, and the headers that every response has."""

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway import errors
from gateway.http import answer
from gateway.http.cors import Pages
from kit.logs import request_id
from kit.logs.log import redact
from kit.telemetry import tracing

PATH = "/graphql"
REQUEST_ID = web.RequestKey("request_id", str)


class Edge:
    """Assigns request ids and formats errors as JSON. With `stopping`, responses close their connection."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.stopping = False

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Assign a request id, run the handler, and turn its exceptions into responses."""
        request[REQUEST_ID] = request_id.adopt_or_create(request.headers.get("X-Request-Id", ""))
        if tracing.recording():
            tracing.set_attribute("esimgo.request.id", redact(request[REQUEST_ID]))
        response = await self._answer(request, handler)
        if self.stopping:
            response.force_close()  # otherwise a busy keep-alive connection would delay the exit
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return answer.error(
                request, 404, f"Not found; the GraphQL endpoint is {PATH}", "NOT_FOUND"
            )
        except web.HTTPException as refusal:
            status = HTTPStatus(refusal.status)
            message = refusal.text or status.phrase
            refused = answer.error(request, status, message, status.name)
            for name in ("Allow", "Retry-After"):
                if name in refusal.headers:
                    refused.headers[name] = refusal.headers[name]
            return refused
        except ConnectionError:
            raise  # the client disconnected
        except Exception as error:  # noqa: BLE001 - any other error is masked
            return web.json_response(
                {"errors": [errors.masked(error, request[REQUEST_ID])]}, status=500
            )

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Set the request id and CORS headers before the headers of a response are sent."""
        response.headers.setdefault("X-Request-Id", request.get(REQUEST_ID, ""))
        # The server's name and version help only attackers.
        response.headers.pop("Server", None)
        self._pages.mark(request, response)

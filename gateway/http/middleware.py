"""The middleware around every request: its id, errors as JSON, and the headers of each response."""

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
    """Gives each request an id and puts every error into JSON; `stopping` closes connections."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.stopping = False

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give the request an id, and answer it even where its handler fails."""
        request[REQUEST_ID] = request_id.adopt_or_create(request.headers.get("X-Request-Id", ""))
        if tracing.recording():
            tracing.set_attribute("esimgo.request.id", redact(request[REQUEST_ID]))
        response = await self._answer(request, handler)
        if self.stopping:
            response.force_close()  # else a busy client's connection keeps the process up
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
            words = refusal.text or status.phrase
            refused = answer.error(request, status, words, status.name)
            for name in ("Allow", "Retry-After"):
                if name in refusal.headers:
                    refused.headers[name] = refusal.headers[name]
            return refused
        except ConnectionError:
            raise  # the client went away: no answer reaches it, and nothing is wrong here
        except Exception as error:  # noqa: BLE001 - the last edge: nothing else may reach the client
            return web.json_response(
                {"errors": [errors.masked(error, request[REQUEST_ID])]}, status=500
            )

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Before headers are sent: name the request, and say which pages may read the response."""
        response.headers.setdefault("X-Request-Id", request.get(REQUEST_ID, ""))
        # Which server runs here, and in which version, helps only attackers.
        response.headers.pop("Server", None)
        self._pages.mark(request, response)

"""The gateway's HTTP door: GraphQL, health, and errors that are always JSON."""

import logging
import math
import time
from collections.abc import Collection
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from graphql import GraphQLError
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from gateway import answer, cors, csrf, errors, operation_spans
from gateway import request as requests
from gateway.context import Context
from gateway.event_stream import EventStreams
from gateway.execution import Execution
from gateway.explorer_page import Explorer
from gateway.health import Health
from gateway.operation_spans import OperationSpans
from gateway.peers import Peers
from gateway.persisted import KnownDocuments
from gateway.public_answers import Made, PublicAnswers
from gateway.public_fields import PublicFields
from gateway.rate_limits import RateLimits
from gateway.repeated_requests import RepeatedRequests
from gateway.response_cache import ResponseCache
from gateway.schema import build
from gateway.settings import Settings
from gateway.sockets import Sockets
from gateway.work import Work
from kit import http_metrics, http_tracing, request_id, tracing
from kit.auth import ANONYMOUS, Session, Verifier
from kit.errors import Failure, Kind
from kit.log import redact

logger = logging.getLogger(__name__)

PATH = "/graphql"
REQUEST_ID = web.RequestKey("request_id", str)
# Of a request, to ask what its operation may cost; of the answer, to tell it.
COST = "GraphQL-Cost"
# Compared by `is` first, which sets of an enumeration's members don't.
QUERIES = (OperationType.QUERY,)
ALLOWED = {"GET": QUERIES, "POST": (*QUERIES, OperationType.MUTATION)}
STATUSES = {Kind.UNAUTHENTICATED: 401, Kind.EXHAUSTED: 429, Kind.UNAVAILABLE: 503}


class Gateway:
    """The routes; one object a process."""

    def __init__(
        self,
        settings: Settings,
        peers: Peers,
        verifier: Verifier,
        known: KnownDocuments,
        limits: RateLimits,
        kept: ResponseCache | None = None,
    ) -> None:
        self._settings = settings
        self._known = known
        self._peers = peers
        self._limits = limits
        self._schema = build(settings.max_depth, settings.defence)
        self._spans = OperationSpans(self._schema, settings.max_depth)
        self._execution = Execution(self._schema, peers, verifier, known, settings, self._spans)
        self._pages = cors.Pages(settings.cors_origins)
        self._sockets = Sockets(settings, self._execution, limits, self._pages)
        self._streams = EventStreams(settings)
        self._explorer = (
            Explorer(
                PATH,
                settings.supabase_public_url or settings.sessions.supabase_url,
                settings.supabase_anon_key,
            )
            if settings.explorer
            else None
        )
        self._metrics = self._execution.metrics
        self._public: PublicAnswers | None = None
        self._repeated: RepeatedRequests | None = None
        if kept is not None:
            public = PublicFields(self._schema._schema, settings.max_depth)
            costs, seconds = settings.defence.costs, settings.response_cache_seconds
            self._public = PublicAnswers(
                kept, public, costs, self._metrics, seconds, self._schema.prepare
            )
            self._repeated = RepeatedRequests(
                self._public,
                limits,
                self._pages,
                plain_get=settings.defence.plain_get,
                max_body=settings.max_body,
            )
        self.stopping = False

    def app(self) -> web.Application:
        """An application that holds them."""
        app = web.Application(
            client_max_size=self._settings.max_body,
            middlewares=[http_metrics.measured(), self.around_each],
        )
        if self._repeated is not None:
            app.middlewares.append(self._repeated.middleware)
        trusted = self._settings.trust_traceparent
        http_tracing.trace_requests(app, (PATH,), trusted=trusted)
        app.on_response_prepare.append(self.mark)
        app.add_routes(
            [
                web.get(PATH, self.graphql, allow_head=False),
                web.post(PATH, self.graphql),
                web.options(PATH, self._pages.preflight),
                *Health(self._peers, lambda: self.stopping).routes(),
            ]
        )
        if self._explorer is not None:
            app.add_routes(self._explorer.routes())
        return app

    @web.middleware
    async def around_each(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Gives the request an id, and puts every error into JSON."""
        request[REQUEST_ID] = request_id.begin(request.headers.get("X-Request-Id", ""))
        if tracing.recording():
            tracing.tell("esimgo.request.id", redact(request[REQUEST_ID]))
        response = await self._answer(request, handler)
        if self.stopping:
            response.force_close()  # else a busy client's connection keeps the process up
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return answer.error(request, 404, f"Nothing is here; GraphQL is at {PATH}", "NOT_FOUND")
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
        """Before the headers of any answer go out: names the request, tells browsers who may read."""
        response.headers.setdefault("X-Request-Id", request.get(REQUEST_ID, ""))
        # What runs here, and which version, is nobody's business.
        response.headers.pop("Server", None)
        self._pages.mark(request, response)

    async def graphql(self, request: web.Request) -> web.StreamResponse:
        """Executes one operation; mutations only over POST, as a GET may be sent by any page."""
        if self._explorer is not None and self._explorer.wanted(request):
            return self._explorer.page()
        socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if not socket:
            csrf.check(request, self._pages, plain_get=self._settings.defence.plain_get)
        try:
            session = ANONYMOUS if socket else await self._session(request)
            await self._limits.take(request, session)
        except Failure as failure:
            return self._refused(request, failure)
        if socket:
            try:
                with self._metrics.connected("websocket"):
                    return await self._sockets.serve(request, request[REQUEST_ID])
            except Failure as failure:
                return self._refused(request, failure)
        work = self._limits.work(request, session)
        began = time.perf_counter()
        allowed: Collection[OperationType] = ALLOWED[request.method]
        try:
            operation = await requests.read(
                request, self._settings.max_body, self._settings.http.body_seconds, work
            )
            events = answer.prefers_events(request)
            query = "" if events else await self._known.text(operation, work)
        except Failure as failure:
            return self._refused(request, failure)
        except GraphQLError as error:
            return self._executed(request, "", None, ExecutionResult(None, [error]), began)
        if events or self._execution.sends_events(request, operation, query):
            allowed = (*allowed, OperationType.SUBSCRIPTION)
            caller = self._limits.caller(request, session)
            results = self._execution.results(
                operation, session, request[REQUEST_ID], work, allowed, caller
            )
            address = self._limits.client(request)
            try:
                with self._metrics.connected("sse"):
                    return await self._streams.serve(request, session, address, results)
            except Failure as failure:
                return self._refused(request, failure)
        return await self._answered(request, operation, query, session, work, allowed)

    async def _session(self, request: web.Request) -> Session:
        try:
            return await self._execution.session(request.headers.get("Authorization"))
        except Failure:
            await self._limits.take(request)  # whoever tries tokens out is counted too
            raise

    async def _answered(
        self,
        request: web.Request,
        operation: requests.Operation,
        query: str,
        session: Session,
        work: Work,
        allowed: Collection[OperationType],
    ) -> web.Response:
        if operation.sha256 is not None:
            await self._execution.keep(operation, self._limits.caller(request, session))
        run = partial(self._run, request, operation, query, allowed, time.perf_counter())
        key = self._public.key(request, operation, query, session) if self._public else None
        if self._public is None or key is None:
            idempotency_key = request.headers.get("Idempotency-Key")
            made = await run(self._execution.context(session, idempotency_key, work))
        else:
            public = partial(run, self._execution.public_context(session, work))
            made = await self._public.answer(request, key, session, public)
        if COST in request.headers and made.cost is not None:
            limit = self._settings.defence.costs[session.role]
            made.response.headers[COST] = f"{made.cost}; limit={limit}"
        return made.response

    async def _run(
        self,
        request: web.Request,
        operation: requests.Operation,
        query: str,
        allowed: Collection[OperationType],
        began: float,
        context: Context,
    ) -> Made:
        try:
            with self._spans.around(query, operation.name) as span:
                result = await self._schema.execute(
                    query,
                    variable_values=operation.variables,
                    context_value=context,
                    operation_name=operation.name,
                    allowed_operation_types=allowed,
                )
                operation_spans.failed(span, result.errors or ())
            context.answered()
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                raise web.HTTPBadRequest(
                    text="Send subscriptions over a WebSocket with the subprotocol"
                    " graphql-transport-ws, or with Accept: text/event-stream"
                ) from error
            raise web.HTTPMethodNotAllowed(
                "GET", ["POST"], text="Send mutations by POST"
            ) from error
        if (failure := errors.not_now(result.errors or ())) is not None:
            return Made(self._refused(request, failure), None, whole=False)
        response = self._executed(request, query, operation.name, result, began)
        return Made(response, context.cost, whole=not result.errors)

    def _refused(self, request: web.Request, failure: Failure) -> web.Response:
        body = {"errors": [errors.from_failure(failure, request[REQUEST_ID])]}
        self._metrics.told(body["errors"])
        response = answer.respond(request, body, STATUSES.get(failure.kind, 500))
        if failure.kind is Kind.UNAUTHENTICATED:
            response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        if failure.retry_after is not None:
            response.headers["Retry-After"] = str(math.ceil(failure.retry_after))
        return response

    def _executed(
        self,
        request: web.Request,
        query: str,
        name: str | None,
        result: ExecutionResult,
        began: float,
    ) -> web.Response:
        found = result.errors or []
        body: dict[str, Any] = {}
        if found:
            body["errors"] = self._execution.describe(found, request[REQUEST_ID])
        # Without data, and with no error of a field: nothing was executed.
        executed = result.data is not None or any(error.path for error in found)
        if executed:
            body["data"] = result.data
        sized = answer.Sized(body, self._settings.max_answer)
        took = time.perf_counter() - began
        self._metrics.answered(query, name, sized.errors, took, executed=executed)
        return answer.respond(request, sized.text, 200 if executed else 400)

    async def end_streams(self) -> None:
        """Ends what would never end by itself, and takes no more of it; other requests go on."""
        await self._streams.close()
        await self._sockets.close()

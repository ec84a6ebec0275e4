"""Handles requests to /graphql: JSON responses, event streams, and the upgrade to a WebSocket."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web
from graphql import GraphQLError
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from gateway import errors
from gateway.documents import request as requests
from gateway.documents.metrics import Metrics
from gateway.documents.persisted import KnownDocuments
from gateway.documents.prepared import Prepared
from gateway.http import answer, csrf, operation_spans
from gateway.http.cors import Pages
from gateway.http.event_stream import EventStreams
from gateway.http.execution import Execution
from gateway.http.explorer_page import Explorer
from gateway.http.public_answers import Executed, PublicAnswers
from gateway.http.rate_limits import RateLimits
from gateway.http.sockets import Sockets
from gateway.schema.assembly import Schema
from gateway.settings import Settings
from gateway.upstream.caller import Caller
from gateway.upstream.context import Context
from kit.auth import tokens
from kit.auth.sessions import ANONYMOUS, Session
from kit.errors import Failure, Kind
from kit.logs import request_id

# If a request has this header, the response has it too, with the operation's cost and the caller's limit.
COST = "GraphQL-Cost"
IDEMPOTENCY_KEY = "Idempotency-Key"
# Tuples instead of sets, because a lookup in a set calls the enum's slow `__hash__`.
ALLOWED = {"GET": (OperationType.QUERY,), "POST": (OperationType.QUERY, OperationType.MUTATION)}
STATUSES = {
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.EXHAUSTED: 429,
    Kind.UNAVAILABLE: 503,
}


@dataclass(frozen=True, slots=True)
class Handler:
    """The request handler of /graphql; one instance per process."""

    settings: Settings
    schema: Schema
    known: KnownDocuments
    execution: Execution
    limits: RateLimits
    metrics: Metrics
    pages: Pages
    sockets: Sockets
    streams: EventStreams
    public: PublicAnswers | None
    explorer: Explorer | None

    async def graphql(self, request: web.Request) -> web.StreamResponse:
        """Execute one operation. Mutations require POST, because any web page can send a GET."""
        if self.explorer is not None and self.explorer.is_visited(request):
            return self.explorer.page()
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                await self.limits.take(request, ANONYMOUS)
                with self.metrics.connected("websocket"):
                    return await self.sockets.serve(request, request_id.current())
            csrf.check(request, self.pages, plain_get=self.settings.defence.plain_get)
            address = partial(self.limits.address, request)
            verifying = self.execution.session(tokens.authorization(request.headers), address)
            session = await self.limits.counted(request, verifying)
            return await self._operation(request, session)
        except Failure as failure:
            return self._refused(request, failure)

    async def _operation(self, request: web.Request, session: Session) -> web.StreamResponse:
        caller, began = self.limits.caller(request, session), time.perf_counter()
        operation = await requests.read(
            request, self.settings.max_body, self.settings.http.body_seconds, caller.work
        )
        if answer.prefers_events(request):
            return await self._events(request, operation, caller)
        try:
            prepared = await self.known.prepared(operation, caller.work)
        except GraphQLError as error:
            response, _ = self._executed(request, None, ExecutionResult(None, [error]), began)
            return response
        if prepared.kind is OperationType.SUBSCRIPTION and answer.accepts_events(request):
            return await self._events(request, operation, caller)
        return await self._single(request, operation, prepared, caller)

    async def _events(
        self, request: web.Request, operation: requests.Operation, caller: Caller
    ) -> web.StreamResponse:
        allowed = (*ALLOWED[request.method], OperationType.SUBSCRIPTION)
        key = _idempotency_key(request)
        results = self.execution.results(operation, caller, request_id.current(), allowed, key)
        address = self.limits.client(request)
        with self.metrics.connected("sse"):
            return await self.streams.serve(request, caller.session, address, results)

    async def _single(
        self,
        request: web.Request,
        operation: requests.Operation,
        prepared: Prepared,
        caller: Caller,
    ) -> web.Response:
        session = caller.session
        await self.execution.store(operation, prepared, caller)
        run = partial(self._run, request, prepared, operation.variables, time.perf_counter())
        key = None
        if self.public is not None:
            key = self.public.key(request, prepared, operation.variables, session)
        if self.public is None or key is None:
            context = self.execution.context(caller, _idempotency_key(request))
            executed = await run(context)
        else:
            public = partial(run, self.execution.public_context(caller))
            executed = await self.public.answer(request, key, session, public)
        if COST in request.headers and executed.cost is not None:
            limit = self.settings.defence.costs[session.role]
            executed.response.headers[COST] = f"{executed.cost}; limit={limit}"
        return executed.response

    async def _run(
        self,
        request: web.Request,
        prepared: Prepared,
        variables: dict[str, Any] | None,
        began: float,
        context: Context,
    ) -> Executed:
        try:
            with operation_spans.around(prepared) as span:
                result = await self.schema.run(
                    prepared, variables, context, ALLOWED[request.method]
                )
                operation_spans.failed(span, result.errors or ())
            context.answered()
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                raise web.HTTPBadRequest(
                    text="Subscriptions need a WebSocket with the subprotocol"
                    " graphql-transport-ws, or the header Accept: text/event-stream"
                ) from error
            raise web.HTTPMethodNotAllowed(
                "GET", ["POST"], text="Send mutations by POST"
            ) from error
        if (failure := errors.rate_limit_failure(result.errors or ())) is not None:
            return Executed(self._refused(request, failure), None, whole=False)
        response, whole = self._executed(request, prepared, result, began)
        return Executed(response, context.cost, whole=whole)

    def _refused(self, request: web.Request, failure: Failure) -> web.Response:
        body = {"errors": [errors.from_failure(failure, request_id.current())]}
        self.metrics.count_errors(body["errors"])
        response = answer.respond(request, body, STATUSES.get(failure.kind, 500))
        answer.add_refusal_headers(response, failure)
        return response

    def _executed(
        self, request: web.Request, prepared: Prepared | None, result: ExecutionResult, began: float
    ) -> tuple[web.Response, bool]:
        """Return the response, and whether it has no errors."""
        found = result.errors or []
        body: dict[str, Any] = {}
        if found:
            body["errors"] = self.execution.describe(found, request_id.current())
        # If there is neither data nor an error with a path, nothing was executed.
        executed = result.data is not None or any(error.path for error in found)
        if executed:
            body["data"] = result.data
        bounded = answer.BoundedBody(body, self.settings.max_answer)
        took = time.perf_counter() - began
        self.metrics.answered(prepared if executed else None, bounded.errors, took)
        response = answer.respond(request, bounded.text, 200 if executed else 400)
        return response, not bounded.errors


def _idempotency_key(request: web.Request) -> str | None:
    """Return the key of a request's header; raise web.HTTPBadRequest for several different ones.

    If only one of them counted, a repeat with the keys in another order would buy twice.
    """
    keys = set(request.headers.getall(IDEMPOTENCY_KEY, ()))
    if len(keys) > 1:
        raise web.HTTPBadRequest(text=f"Send one {IDEMPOTENCY_KEY} header, not {len(keys)}")
    return keys.pop() if keys else None

"""Endpoints beside GraphQL that need a session: who the caller is, and errors as JSON."""

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from gateway import errors
from gateway.documents.metrics import Metrics
from gateway.http import answer
from gateway.http.execution import Execution
from gateway.http.rate_limits import RateLimits
from kit.auth import tokens
from kit.auth.sessions import Role, Session
from kit.errors import Failure, Kind
from kit.logs import request_id

# A failure of any other kind is an error of the gateway: 500.
STATUSES = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.REFUSED: 422,
    Kind.EXHAUSTED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.UNCLEAR: 503,
    Kind.DEADLINE: 504,
}
SIGNED_IN = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]


class Rest:
    """Wraps handlers of signed-in callers; one instance per process."""

    def __init__(self, execution: Execution, limits: RateLimits, metrics: Metrics) -> None:
        self._execution = execution
        self._limits = limits
        self._metrics = metrics

    def signed_in(
        self, handler: SIGNED_IN
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a handler that verifies the session, counts the request, and answers failures as JSON.

        No check against cross-site requests is needed, because browsers attach no bearer token.
        """

        async def handle(request: web.Request) -> web.StreamResponse:
            session = await self.session(request, tokens.authorization(request.headers))
            return await handler(request, session)

        return self.answered(handle)

    def answered(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a handler that answers failures as JSON."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Failure as failure:
                return self._refused(request, failure)

        return handle

    async def session(self, request: web.Request, authorization: str | None) -> Session:
        """Verify a session, and count the request; raise Failure UNAUTHENTICATED without one."""
        address = partial(self._limits.address, request)
        verifying = self._execution.session(authorization, address)
        session = await self._limits.counted(request, verifying)
        if session.role is Role.ANONYMOUS:
            raise Failure(
                Kind.UNAUTHENTICATED,
                "UNAUTHENTICATED",
                "Not authenticated: send the header Authorization: Bearer <access token>",
            )
        return session

    def _refused(self, request: web.Request, failure: Failure) -> web.Response:
        body = {"errors": [errors.from_failure(failure, request_id.current())]}
        self._metrics.count_errors(body["errors"])
        response = web.Response(
            body=answer.encoded(body),
            status=STATUSES.get(failure.kind, 500),
            content_type="application/json",
        )
        answer.add_refusal_headers(response, failure)
        return response

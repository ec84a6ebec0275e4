"""The interceptor that every call passes: session, access, deadline, and errors in words."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import ContextVar
from enum import Enum
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from kit.auth import operator_log, tokens
from kit.auth.caller import act_for
from kit.auth.sessions import Role, Session, Verifier
from kit.errors import Failure, Kind
from kit.logs import request_id
from kit.rpc import call as rpc_call
from kit.rpc import sessionless
from kit.rpc import tracing as rpc_tracing
from kit.rpc.admission import too_many
from kit.rpc.bounds import Bounds, Taken
from kit.rpc.errors import CODES, abort
from kit.rpc.limits import DEFAULTS, Limits
from kit.rpc.metrics import ServerMetrics
from kit.telemetry.tracing import SpanScope

# Seconds. For callers that set no deadline of their own; nothing here takes nearly so long.
DEFAULT_DEADLINE = 30.0
# Infrastructure asks these without a session; they say nothing about customers.
OPEN_SERVICES = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")

_session: ContextVar[Session] = ContextVar("session")
_deadline: ContextVar[float] = ContextVar("deadline")


class Access(Enum):
    """Who may call a method; each includes those below it, and the service role key is in all."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    ADMIN = "admin"
    SERVICE = "service"


ALLOWED = {
    Access.PUBLIC: frozenset(Role),
    Access.SIGNED_IN: frozenset({Role.CUSTOMER, Role.ADMIN, Role.SERVICE}),
    Access.ADMIN: frozenset({Role.ADMIN, Role.SERVICE}),
    Access.SERVICE: frozenset({Role.SERVICE}),
}


def session() -> Session:
    """The verified session of the call that is being served."""
    return _session.get()


def time_left() -> float | None:
    """Seconds until the deadline of the call that is being served; None outside of a call."""
    deadline = _deadline.get(None)
    return None if deadline is None else max(0.0, deadline - time.monotonic())


class Guard(grpc.aio.ServerInterceptor):
    """Lets a call through to its servicer when its session may make it.

    Refuses to be made for a service with a method whose access nobody declared.
    """

    def __init__(
        self,
        service: ServiceDescriptor,
        access: Mapping[str, Access],
        verifier: Verifier,
        acts: operator_log.Acts | None = None,
        limits: Limits = DEFAULTS,
    ) -> None:
        declared, there = set(access), {method.name for method in service.methods}
        if declared != there:
            raise ValueError(f"access of {service.full_name}: {sorted(declared ^ there)} differ")
        self._access = {f"/{service.full_name}/{name}": rule for name, rule in access.items()}
        self._acts = acts or {}
        self._verifier = verifier
        self._metrics = ServerMetrics()
        self.bounds = Bounds(limits)
        self._streams: set[asyncio.Task[None]] = set()
        self._ending = False

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = str(handler_call_details.method)
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if method.split("/")[1] in OPEN_SERVICES:
            return sessionless.bounded(handler, self.bounds, partial(self._metrics.failed, method))
        # Handlers of streams, whatever the method is: they read the request themselves, so that the
        # session comes first, the wait has an end, and what can't be decoded gets a message.
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._streaming(method, handler))
        return grpc.stream_unary_rpc_method_handler(self._unary(method, handler))

    def _unary(self, method: str, handler: Any) -> Callable[[Any, Any], Awaitable[Any]]:
        async def call(_requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async with self._served(method, context) as (_, taken):
                return await self._answer(method, handler, taken, context)

        return call

    async def _answer(
        self, method: str, handler: Any, taken: Taken, context: grpc.aio.ServicerContext[Any, Any]
    ) -> bytes:
        request = rpc_call.decoded(handler, await taken.request(context))
        async with taken.turn() as work:
            with operator_log.logged(self._acts, method, session(), request):
                answer = await handler.unary_unary(request, context)
            body = bytes(handler.response_serializer(answer))
            del answer
            work.size = len(body)
        try:
            taken.answered(work.size, context)
        except Failure:
            del body  # the failure's frames live on for a while
            raise
        return body

    def _streaming(self, method: str, handler: Any) -> Callable[[Any, Any], Awaitable[None]]:
        async def call(_requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            async with self._served(method, context, deadline=None) as (span, taken):
                if self._ending:
                    raise rpc_call.ended()
                body = await taken.request(context)
                request = rpc_call.decoded(handler, body)
                # A task of its own, so that it can be ended while it waits for whatever it may.
                sending = asyncio.create_task(_send(handler, request, context, span, taken))
                self._streams.add(sending)
                try:
                    with operator_log.logged(self._acts, method, session(), request):
                        left = self._verifier.seconds_left(session())
                        await asyncio.wait({sending}, timeout=left)
                        if not sending.done():
                            tokens.refuse("TOKEN_EXPIRED", "the token has expired")
                        if sending.cancelled():
                            raise rpc_call.ended()
                        sending.result()
                finally:
                    self._streams.discard(sending)
                    sending.cancel()
                    await asyncio.wait({sending})

        return call

    def end_streams(self) -> None:
        """Ends every stream, now and from now on, with UNAVAILABLE: a stop can't wait for them."""
        self._ending = True
        for sending in self._streams:
            sending.cancel()

    @asynccontextmanager
    async def _served(
        self,
        method: str,
        context: grpc.aio.ServicerContext[Any, Any],
        deadline: float | None = DEFAULT_DEADLINE,
    ) -> AsyncIterator[tuple[SpanScope, Taken]]:
        """Around one call: session before, translated failures after, and all of it in a span."""
        with rpc_tracing.server_span(method, context.invocation_metadata()) as span:
            async with self._answered(method, context, deadline, span) as taken:
                yield span, taken

    @asynccontextmanager
    async def _answered(
        self,
        method: str,
        context: grpc.aio.ServicerContext[Any, Any],
        deadline: float | None,
        span: SpanScope,
    ) -> AsyncIterator[Taken]:
        started = time.monotonic()
        header = rpc_call.header(context, "authorization")
        code, taken = "OK", None
        if deadline is None:
            self._metrics.streaming(method, +1)
        try:
            taken = self.bounds.take(context, has_session=header is not None)
            async with asyncio.timeout(rpc_call.seconds(context, header, deadline)) as limit:
                when = limit.when()
                if when is not None:
                    _deadline.set(started + when - asyncio.get_running_loop().time())
                _session.set(caller := await self._admit(method, context, header))
                act_for(caller.user_id or "")
                yield taken
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            code = "CANCELLED"
            if taken is None or not taken.call.given_up:
                raise
            code = CODES[Kind.EXHAUSTED].name
            await self._fail(method, too_many(), context, span)
        except grpc.aio.InternalError:  # nothing can be sent: the caller is gone
            code = "CANCELLED"
            raise asyncio.CancelledError from None
        except Exception as error:  # noqa: BLE001 - the last edge: nothing else may reach the caller
            failure = rpc_call.failure_of(method, error)
            code = CODES[failure.kind].name
            await self._fail(method, failure, context, span)
        finally:
            if taken is not None:
                taken.leave(context)
            span.set(rpc_tracing.STATUS, code)
            if deadline is None:
                self._metrics.streaming(method, -1)
            else:
                self._metrics.served(method, code, time.monotonic() - started)

    async def _fail(
        self,
        method: str,
        failure: Failure,
        context: grpc.aio.ServicerContext[Any, Any],
        span: SpanScope,
    ) -> NoReturn:
        self._metrics.failed(method, failure)
        span.fail(failure)
        # gRPC keeps the failure in a cycle, which must not hold everything that its frames refer to.
        failure.__traceback__ = failure.__cause__ = failure.__context__ = None
        await abort(context, failure)

    async def _admit(
        self, method: str, context: grpc.aio.ServicerContext[Any, Any], header: str | None
    ) -> Session:
        request_id.adopt(rpc_call.header(context, request_id.HEADER) or "")
        caller = await self._verifier.session(header)
        rule = self._access[method]
        if caller.role in ALLOWED[rule]:
            return caller
        if caller.role is Role.ANONYMOUS:
            raise Failure(
                Kind.UNAUTHENTICATED,
                "UNAUTHENTICATED",
                "Not authenticated: send the metadata `authorization: Bearer <access token>`",
            )
        raise Failure(
            Kind.FORBIDDEN,
            "FORBIDDEN",
            f"Not allowed: this call requires the session of {WHO[rule]}",
        )


WHO = {
    Access.PUBLIC: "anybody",
    Access.SIGNED_IN: "a signed-in user",
    Access.ADMIN: "an administrator",
    Access.SERVICE: "a service of this system",
}


async def _send(
    handler: Any,
    request: Any,
    context: grpc.aio.ServicerContext[Any, Any],
    span: SpanScope,
    taken: Taken,
) -> None:
    async with aclosing(handler.unary_stream(request, context)) as messages:
        async for message in messages:
            body = handler.response_serializer(message)
            with taken.message(len(body)):
                writing = asyncio.ensure_future(context.write(body))
                try:
                    await asyncio.shield(writing)
                    span.end()  # the stream is open; how long it stays so says nothing
                except asyncio.CancelledError:
                    # gRPC takes no status while a message is on its way.
                    with suppress(Exception):
                        await writing
                    raise

"""The interceptor of every gRPC call: verifies session and access, sets the deadline, converts errors."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from kit.auth import operator_log, tokens
from kit.auth.caller import act_for
from kit.auth.sessions import Session, Verifier
from kit.errors import Failure, Kind
from kit.logs import request_id
from kit.rpc import call as rpc_call
from kit.rpc import sessionless
from kit.rpc import tracing as rpc_tracing
from kit.rpc.access import Rules
from kit.rpc.admission import too_many
from kit.rpc.bounds import AdmittedCall, Bounds
from kit.rpc.call import Context
from kit.rpc.errors import CODES, abort
from kit.rpc.limits import DEFAULTS, Limits
from kit.rpc.metrics import ServerMetrics
from kit.telemetry.tracing import SpanScope

# Seconds, for callers that set no deadline. No call takes nearly as long.
DEFAULT_DEADLINE = 30.0
# Infrastructure calls these without a session; they contain no customer data.
OPEN_SERVICES = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")

_session: ContextVar[Session] = ContextVar("session")


def session() -> Session:
    """Return the verified session of the current call."""
    return _session.get()


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC service: its descriptor, how to add it to a server, and who may call each method.

    Raises ValueError unless `access` has a rule for each method, and for no other.
    """

    descriptor: ServiceDescriptor
    add: Callable[[grpc.aio.Server], None]
    access: Rules

    def __post_init__(self) -> None:
        declared = set(self.access)
        existing = {method.name for method in self.descriptor.methods}
        if declared != existing:
            raise ValueError(f"access of {self.name}: {sorted(declared ^ existing)} differ")

    @property
    def name(self) -> str:
        """The full name, such as catalogue.v1.CatalogueService."""
        return str(self.descriptor.full_name)


class Guard(grpc.aio.ServerInterceptor):
    """Passes a call to its servicer if the caller's session is allowed to call the method."""

    def __init__(
        self, services: Sequence[Service], verifier: Verifier, limits: Limits = DEFAULTS
    ) -> None:
        self._rules = {
            f"/{service.name}/{name}": rule
            for service in services
            for name, rule in service.access.items()
        }
        self._verifier = verifier
        self._metrics = ServerMetrics()
        self.bounds = Bounds(limits)
        self._streams: set[asyncio.Task[None]] = set()
        self._stopping = False

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
        # All handlers stream requests, which lets them verify the session before they read the request,
        # limit the wait for it, and report a decoding error.
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._streaming(method, handler))
        return grpc.stream_unary_rpc_method_handler(self._unary(method, handler))

    def _unary(self, method: str, handler: Any) -> Callable[[Any, Any], Awaitable[Any]]:
        async def call(_requests: Any, context: Context) -> Any:
            async with self._served(method, context) as (_, admitted):
                return await self._respond(method, handler, admitted, context)

        return call

    async def _respond(
        self, method: str, handler: Any, admitted: AdmittedCall, context: Context
    ) -> bytes:
        request = rpc_call.decoded(handler, await admitted.request(context))
        async with admitted.slot() as work:
            with operator_log.logged(method, self._rules[method].logged, session(), request):
                response = await handler.unary_unary(request, context)
            body = bytes(handler.response_serializer(response))
            del response
            work.size = len(body)
        try:
            admitted.count_response(work.size, context)
        except Failure:
            del body  # the traceback keeps this frame alive for a while
            raise
        return body

    def _streaming(self, method: str, handler: Any) -> Callable[[Any, Any], Awaitable[None]]:
        async def call(_requests: Any, context: Context) -> None:
            async with self._served(method, context, deadline=None) as (span, admitted):
                if self._stopping:
                    raise rpc_call.ended()
                body = await admitted.request(context)
                request = rpc_call.decoded(handler, body)
                # A separate task, so that it can be cancelled at any time.
                sending = asyncio.create_task(_send(handler, request, context, span, admitted))
                self._streams.add(sending)
                try:
                    with operator_log.logged(
                        method, self._rules[method].logged, session(), request
                    ):
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
        """End all current and later streams with UNAVAILABLE, so that they don't delay the shutdown."""
        self._stopping = True
        for sending in self._streams:
            sending.cancel()

    @asynccontextmanager
    async def _served(
        self, method: str, context: Context, deadline: float | None = DEFAULT_DEADLINE
    ) -> AsyncIterator[tuple[SpanScope, AdmittedCall]]:
        """Admit a call and verify its session, then run the block; an error in the block aborts the call."""
        started = time.monotonic()
        header = rpc_call.header(context, "authorization")
        code, admitted = "OK", None
        if deadline is None:
            self._metrics.streaming(method, +1)
        with rpc_tracing.server_span(method, context.invocation_metadata()) as span:
            try:
                admitted = self.bounds.admit(context, has_session=header is not None)
                async with asyncio.timeout(rpc_call.seconds(context, header, deadline)) as limit:
                    when = limit.when()
                    if when is not None:
                        ends = started + when - asyncio.get_running_loop().time()
                        rpc_call.current_deadline.set(ends)
                    _session.set(caller := await self._admit(method, context, header))
                    act_for(caller.user_id or "")
                    yield span, admitted
            except grpc.aio.AbortError:
                raise
            except asyncio.CancelledError:
                code = "CANCELLED"
                if admitted is None or not admitted.call.evicted:
                    raise
                code = CODES[Kind.EXHAUSTED].name
                await self._fail(method, too_many(), context, span)
            except grpc.aio.InternalError:  # the caller has disconnected
                code = "CANCELLED"
                raise asyncio.CancelledError from None
            except Exception as error:  # noqa: BLE001 - converts every error to a failure
                failure = rpc_call.failure_of(method, error)
                code = CODES[failure.kind].name
                await self._fail(method, failure, context, span)
            finally:
                if admitted is not None:
                    admitted.leave(context)
                span.set(rpc_tracing.STATUS, code)
                if deadline is None:
                    self._metrics.streaming(method, -1)
                else:
                    self._metrics.served(method, code, time.monotonic() - started)

    async def _fail(
        self, method: str, failure: Failure, context: Context, span: SpanScope
    ) -> NoReturn:
        self._metrics.failed(method, failure)
        span.fail(failure)
        # gRPC keeps the failure in a reference cycle, which must not keep its frames alive.
        failure.__traceback__ = failure.__cause__ = failure.__context__ = None
        await abort(context, failure)

    async def _admit(self, method: str, context: Context, header: str | None) -> Session:
        request_id.adopt(rpc_call.header(context, request_id.HEADER) or "")
        caller = await self._verifier.session(header)
        self._rules[method].check(caller)
        return caller


async def _send(
    handler: Any, request: Any, context: Context, span: SpanScope, admitted: AdmittedCall
) -> None:
    async with aclosing(handler.unary_stream(request, context)) as messages:
        async for message in messages:
            body = handler.response_serializer(message)
            with admitted.message(len(body)):
                writing = asyncio.ensure_future(context.write(body))
                try:
                    await asyncio.shield(writing)
                    span.end()  # the duration of a whole stream is of no interest
                except asyncio.CancelledError:
                    # gRPC can't send a status while it sends a message.
                    with suppress(Exception):
                        await writing
                    raise

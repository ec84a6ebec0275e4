"""The interceptor that every call passes: session, access, deadline, and errors in words."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import ContextVar
from enum import Enum
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError

from kit import operator_log, provider_queue, request_id, rpc_tracing, tokens
from kit.auth import Role, Session, Verifier
from kit.errors import Failure, Kind
from kit.rpc_errors import CODES, to_status
from kit.rpc_metrics import ServerMetrics
from kit.tracing import Spanned

logger = logging.getLogger(__name__)

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
    ) -> None:
        declared, there = set(access), {method.name for method in service.methods}
        if declared != there:
            raise ValueError(f"access of {service.full_name}: {sorted(declared ^ there)} differ")
        self._access = {f"/{service.full_name}/{name}": rule for name, rule in access.items()}
        self._acts = acts or {}
        self._verifier = verifier
        self._metrics = ServerMetrics()
        self._streams: set[asyncio.Task[None]] = set()
        self._ending = False

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = str(handler_call_details.method)
        handler = await continuation(handler_call_details)
        if handler is None or method.split("/")[1] in OPEN_SERVICES:
            return handler
        wrap: Callable[[str, Any], Callable[..., Awaitable[Any]]] = (
            self._streaming if handler.response_streaming else self._unary
        )
        make = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        # Requests are decoded inside of the wrapper, so that rubbish gets words instead of UNKNOWN.
        return make(wrap(method, handler), None, handler.response_serializer)

    def _unary(self, method: str, handler: Any) -> Callable[[bytes, Any], Awaitable[Any]]:
        async def call(body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async with self._served(method, context):
                request = _decode(handler, body)
                with operator_log.logged(self._acts, method, session(), request):
                    return await handler.unary_unary(request, context)

        return call

    def _streaming(self, method: str, handler: Any) -> Callable[[bytes, Any], Awaitable[None]]:
        async def call(body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            async with self._served(method, context, deadline=None) as span:
                if self._ending:
                    raise _ended()
                # A task of its own, so that it can be ended while it waits for whatever it may.
                request = _decode(handler, body)
                sending = asyncio.create_task(_send(handler, request, context, span))
                self._streams.add(sending)
                try:
                    with operator_log.logged(self._acts, method, session(), request):
                        left = self._verifier.seconds_left(session())
                        await asyncio.wait({sending}, timeout=left)
                        if not sending.done():
                            tokens.refuse("TOKEN_EXPIRED", "the token has expired")
                        if sending.cancelled():
                            raise _ended()
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
    ) -> AsyncIterator[Spanned]:
        """Around one call: session before, translated failures after, and all of it in a span."""
        with rpc_tracing.served(method, context.invocation_metadata()) as span:
            async with self._answered(method, context, deadline, span):
                yield span

    @asynccontextmanager
    async def _answered(
        self,
        method: str,
        context: grpc.aio.ServicerContext[Any, Any],
        deadline: float | None,
        span: Spanned,
    ) -> AsyncIterator[None]:
        started = time.monotonic()
        left = context.time_remaining()
        code = "OK"
        if deadline is None:
            self._metrics.streaming(method, +1)
        try:
            async with asyncio.timeout(left if left is not None else deadline) as limit:
                when = limit.when()
                if when is not None:
                    _deadline.set(started + when - asyncio.get_running_loop().time())
                _session.set(caller := await self._admit(method, context))
                provider_queue.act_for(caller.user_id or "")
                yield
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except Exception as error:  # noqa: BLE001 - the last edge: nothing else may reach the caller
            failure = _failure(method, error)
            code = CODES[failure.kind].name
            self._metrics.failed(method, failure)
            span.fail(failure)
            await context.abort_with_status(to_status(failure))
        finally:
            span.set(rpc_tracing.STATUS, code)
            if deadline is None:
                self._metrics.streaming(method, -1)
            else:
                self._metrics.served(method, code, time.monotonic() - started)

    async def _admit(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Session:
        metadata = context.invocation_metadata() or ()
        header = next((str(v) for k, v in metadata if k == "authorization"), None)
        request_id.take(next((str(v) for k, v in metadata if k == request_id.HEADER), ""))
        caller = await self._verifier.session(header)
        rule = self._access[method]
        if caller.role in ALLOWED[rule]:
            return caller
        if caller.role is Role.ANONYMOUS:
            raise Failure(
                Kind.UNAUTHENTICATED,
                "UNAUTHENTICATED",
                "Not authenticated: send metadata `authorization: Bearer <access token>`",
            )
        raise Failure(
            Kind.FORBIDDEN,
            "FORBIDDEN",
            f"Not allowed: this call needs the session of {WHO[rule]}",
        )


WHO = {
    Access.PUBLIC: "anybody",
    Access.SIGNED_IN: "a signed-in user",
    Access.ADMIN: "an administrator",
    Access.SERVICE: "a service of the platform",
}


def _failure(method: str, error: Exception) -> Failure:
    """What the caller hears of an error; the unexpected is logged under an id that the caller gets."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, TimeoutError):
        return Failure(Kind.DEADLINE, "DEADLINE_EXCEEDED", "No time was left; try again")
    fault = uuid.uuid4().hex[:12]
    logger.error("%s failed, fault %s", method, fault, exc_info=error)
    return Failure(
        Kind.INTERNAL,
        "INTERNAL",
        f"Something went wrong here; the operator finds it by fault id {fault}",
        details={"fault_id": fault},
    )


async def _send(
    handler: Any, request: Any, context: grpc.aio.ServicerContext[Any, Any], span: Spanned
) -> None:
    async with aclosing(handler.unary_stream(request, context)) as messages:
        async for message in messages:
            writing = asyncio.ensure_future(context.write(message))
            try:
                await asyncio.shield(writing)
                span.end()  # the stream is open; how long it stays so says nothing
            except asyncio.CancelledError:
                # gRPC takes no status while a message is on its way.
                with suppress(Exception):
                    await writing
                raise


def _ended() -> Failure:
    return Failure(
        Kind.UNAVAILABLE, "STREAM_ENDED", "This service is stopping; call again, at another replica"
    )


def _decode(handler: Any, body: bytes) -> Any:
    try:
        return handler.request_deserializer(body)
    except DecodeError:
        raise Failure(
            Kind.INVALID,
            "UNDECODABLE_REQUEST",
            "The request is not the message that this method takes; build it from our .proto",
        ) from None

"""Calls to a peer's gRPC service: long-lived channels, deadlines that shrink, failures as ours."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kit.logs import request_id
from kit.net.tls import PLAIN, TLS
from kit.rpc import guard as rpc_guard
from kit.rpc import tracing as rpc_tracing
from kit.rpc.errors import from_error
from kit.rpc.metrics import ClientMetrics
from kit.rpc.server import MAX_ANSWER, MAX_REQUEST, metadata_options
from kit.telemetry.tracing import SpanScope

Response = TypeVar("Response")

# Connections to one replica: enough for the streams of a gateway with all of its sockets.
MAX_CONNECTIONS = 100
CHANNEL_OPTIONS = (
    *metadata_options(),
    ("grpc.max_send_message_length", MAX_REQUEST),
    ("grpc.max_receive_message_length", MAX_ANSWER),
    # Milliseconds. A peer that hangs keeps its connection, and its share of the calls until its pings
    # stay out: seven seconds at most. C code answers them, however busy the peer's Python is.
    ("grpc.keepalive_time_ms", 3_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    # Under load it is another ping that stays out, the one that measures the line: by default it may for
    # a minute, and no other is sent meanwhile.
    ("grpc.http2.ping_timeout_ms", 4_000),
    # No limit: a quiet stream would be pinged twice, and then no more.
    ("grpc.http2.max_pings_without_data", 0),
    # Milliseconds. In spite of its name, what one attempt to connect may take: a busy machine needs more
    # than a moment, and TLS twice that.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # Milliseconds. A peer that comes back is found soon; the default grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Milliseconds between two questions for a name's addresses, asked when a connection ends. With the
    # default of 30 s, replicas replaced one soon after the other are all gone before it is asked again.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # A server takes some hundred calls on a connection: for more, another one is opened.
    ("grpc.max_connections_per_subchannel_cap", MAX_CONNECTIONS),
    (
        "grpc.service_config",
        '{"loadBalancingConfig": [{"round_robin": {}}],'
        f' "connectionScaling": {{"maxConnectionsPerSubchannel": {MAX_CONNECTIONS}}}}}',
    ),
)
# Seconds kept back at each hop, so that the caller hears of a late peer before its own deadline.
HOP = 0.05
# How a server refuses a health check though it is well, and seconds until the next one.
DROPPED = (grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED)
AGAIN = 0.05


def channel(target: str, tls: TLS = PLAIN) -> grpc.aio.Channel:
    """A channel to `host:port`, or to `dns:///name:port` for every replica behind a name."""
    credentials = tls.channel()
    if credentials is not None:
        return grpc.aio.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
    return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)


async def call(
    method: Callable[..., Awaitable[Response]], request: Any, *, token: str | None, timeout: float
) -> Response:
    """Calls with a session's token, within `timeout` seconds and within the caller's own deadline.

    Raises Failure, as the peer gave it.
    """
    left = rpc_guard.time_left()
    seconds = timeout if left is None else min(timeout, max(0.0, left - HOP))
    began = time.perf_counter()
    failure = None
    with rpc_tracing.client_span(method) as span:
        try:
            answer = await method(request, timeout=seconds, metadata=_metadata(token, span))
        except grpc.aio.AioRpcError as error:
            failure = from_error(error)
            span.set(rpc_tracing.STATUS, error.code().name)
            raise failure from error
        else:
            span.set(rpc_tracing.STATUS, "OK")
            return answer
        finally:
            _metrics().called(method, failure, time.perf_counter() - began)


def _metadata(token: str | None, span: SpanScope) -> grpc.aio.Metadata:
    """The session, and the request and the trace that the call belongs to."""
    session = (("authorization", f"Bearer {token}"),) if token else ()
    asked = ((request_id.HEADER, given),) if (given := request_id.current()) else ()
    # gRPC makes one of these of whatever else it is given, and takes longer.
    return grpc.aio.Metadata(*session, *asked, *span.metadata())


@cache
def _metrics() -> ClientMetrics:
    """Create the metrics of calls at the first call, as a process has many channels."""
    return ClientMetrics()


async def stream(
    method: Callable[..., Any], request: Any, *, token: str | None
) -> AsyncGenerator[Any, None]:
    """The messages of a streaming method, for as long as the peer and the reader like.

    Raises Failure, as the peer gave it, or as gRPC did when the peer went away.
    """
    # Never entered, as a generator's callers change; it ends with the first message.
    span = rpc_tracing.client_span(method)
    answers = method(request, metadata=_metadata(token, span))
    try:
        async for message in answers:
            span.end()
            yield message
    except grpc.aio.AioRpcError as error:
        failure = from_error(error)
        span.set(rpc_tracing.STATUS, error.code().name)
        span.fail(failure)
        raise failure from error
    finally:
        span.end()
        answers.cancel()


async def health(channel: grpc.aio.Channel, timeout: float, part: str = "") -> str:
    """The state of the server at the other end, or of a part of it such as its database.

    SERVING, NOT_SERVING, or UNREACHABLE.

    A check that the server's library drops in a flood of calls is made again.
    """
    stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types lack the calls
    until = time.monotonic() + timeout
    while (left := until - time.monotonic()) > 0:
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=part), timeout=left)
        except grpc.aio.AioRpcError as error:
            if error.code() not in DROPPED:
                break
            await asyncio.sleep(AGAIN)
        else:
            return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    return "UNREACHABLE"

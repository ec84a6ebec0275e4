"""gRPC client: channels, deadlines that shrink at each hop, and errors converted to failures."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kit.logs import request_id
from kit.net.tls import PLAIN, TLS
from kit.rpc import tracing as rpc_tracing
from kit.rpc.call import time_left
from kit.rpc.errors import from_error
from kit.rpc.limits import MAX_ANSWER, metadata_options
from kit.rpc.metrics import ClientMetrics
from kit.telemetry.tracing import SpanScope

Response = TypeVar("Response")

# Bytes of a request.
MAX_REQUEST = 4 * 2**20
# Connections to one replica: enough for the streams of all WebSockets of a gateway.
MAX_CONNECTIONS = 100
CHANNEL_OPTIONS = (
    *metadata_options(),
    ("grpc.max_send_message_length", MAX_REQUEST),
    ("grpc.max_receive_message_length", MAX_ANSWER),
    # Milliseconds. The connection to a hung peer is closed after at most 7 s, and other replicas get its
    # calls. A busy peer is safe: gRPC's C code answers pings, whatever its Python code does.
    ("grpc.keepalive_time_ms", 3_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    # Under load gRPC measures the bandwidth with another ping, whose default timeout of a minute would
    # delay the detection.
    ("grpc.http2.ping_timeout_ms", 4_000),
    # No limit: by default an idle stream gets only two pings.
    ("grpc.http2.max_pings_without_data", 0),
    # Milliseconds. Despite its name, this is the timeout of one attempt to connect.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # Milliseconds. The default grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Milliseconds between two DNS lookups, which happen when a connection ends. Within the default of 30 s,
    # a rolling update may replace all known replicas.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # A server accepts about a hundred calls per connection; further calls open another one.
    ("grpc.max_connections_per_subchannel_cap", MAX_CONNECTIONS),
    (
        "grpc.service_config",
        '{"loadBalancingConfig": [{"round_robin": {}}],'
        f' "connectionScaling": {{"maxConnectionsPerSubchannel": {MAX_CONNECTIONS}}}}}',
    ),
)
OWN_CONNECTIONS = ("grpc.use_local_subchannel_pool", 1)
# Seconds subtracted at each hop, so that the peer's timeout error arrives before the caller's own deadline.
HOP = 0.05
# Codes with which an overloaded but healthy server drops health checks, and the delay before a retry.
DROPPED = (grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED)
RETRY_DELAY = 0.05


def channel(target: str, tls: TLS = PLAIN, *, shared: bool = True) -> grpc.aio.Channel:
    """Return a channel to `host:port`, or to all replicas behind a name with `dns:///name:port`.

    Channels of a process share their connections, unless `shared` is False.
    """
    options = [*CHANNEL_OPTIONS, *([] if shared else [OWN_CONNECTIONS])]
    credentials = tls.channel()
    if credentials is not None:
        return grpc.aio.secure_channel(target, credentials, options=options)
    return grpc.aio.insecure_channel(target, options=options)


async def call(
    method: Callable[..., Awaitable[Response]], request: Any, *, token: str | None, timeout: float
) -> Response:
    """Call a method with a session's token, within `timeout` seconds and the current call's deadline.

    Raises the peer's Failure.
    """
    left = time_left()
    seconds = timeout if left is None else min(timeout, max(0.0, left - HOP))
    began = time.perf_counter()
    failure = None
    with rpc_tracing.client_span(method) as span:
        try:
            response = await method(request, timeout=seconds, metadata=_metadata(token, span))
        except grpc.aio.AioRpcError as error:
            failure = from_error(error)
            span.set(rpc_tracing.STATUS, error.code().name)
            raise failure from error
        else:
            span.set(rpc_tracing.STATUS, "OK")
            return response
        finally:
            _metrics().called(method, failure, time.perf_counter() - began)


def _metadata(token: str | None, span: SpanScope) -> grpc.aio.Metadata:
    """Return the metadata for the session, the request id and the trace."""
    session = (("authorization", f"Bearer {token}"),) if token else ()
    request = ((request_id.HEADER, id_),) if (id_ := request_id.current()) else ()
    # gRPC would convert any other type to this, which takes longer.
    return grpc.aio.Metadata(*session, *request, *span.metadata())


@cache
def _metrics() -> ClientMetrics:
    """Return the metrics that all channels of this process share."""
    return ClientMetrics()


async def stream(
    method: Callable[..., Any], request: Any, *, token: str | None
) -> AsyncGenerator[Any, None]:
    """Yield the messages of a streaming method. Raises the Failure of the peer or of the connection."""
    # The span is not used as a context manager, because different tasks may iterate a generator. It ends with
    # the first message.
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
    """Return SERVING, NOT_SERVING or UNREACHABLE for a server, or for a part such as its database.

    Retries a check that gRPC dropped because of too many calls.
    """
    stub: Any = health_pb2_grpc.HealthStub(channel)  # the published types lack the methods
    until = time.monotonic() + timeout
    while (left := until - time.monotonic()) > 0:
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=part), timeout=left)
        except grpc.aio.AioRpcError as error:
            if error.code() not in DROPPED:
                break
            await asyncio.sleep(RETRY_DELAY)
        else:
            return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    return "UNREACHABLE"

"""One gRPC server for every service: sessions, deadlines, errors, health, reflection, a stop that drains."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from kit import tokens
from kit.auth import Verifier
from kit.operator_log import Acts
from kit.rpc_guard import Access, Guard
from kit.tls import PLAIN, TLS

logger = logging.getLogger(__name__)

# Bytes. The largest answer is the whole catalogue, some 6 MB; a request is never near it.
MAX_ANSWER = 64 * 2**20
MAX_REQUEST = 4 * 2**20
# Bytes of a call's metadata. By default gRPC refuses some calls above 8 kB at random, and all above 16 kB.
METADATA_SIZE = 2 * tokens.MAX_TOKEN_BYTES
METADATA_OPTIONS = (
    ("grpc.max_metadata_size", METADATA_SIZE),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_SIZE),
)
# Seconds. Callers behind a headless service find new replicas when connections end.
CONNECTION_AGE = 300.0
SERVER_OPTIONS = (
    *METADATA_OPTIONS,
    ("grpc.max_send_message_length", MAX_ANSWER),
    ("grpc.max_receive_message_length", MAX_REQUEST),
    # Two copies of a service on one port would each get half of the calls without anybody knowing.
    ("grpc.so_reuseport", 0),
    # Milliseconds that calls get when their connection is old; none takes so long.
    ("grpc.max_connection_age_grace_ms", 60_000),
    # Milliseconds. Our clients ping every 3 s; the default of 300 s would send them away.
    ("grpc.http2.min_ping_interval_without_data_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True)
class Service:
    """One gRPC service: its descriptor, how to add it to a server, and who may call each method.

    `acts` are the methods whose calls by administrators and operators are logged.
    """

    descriptor: ServiceDescriptor
    add: Callable[[grpc.aio.Server], None]
    access: Mapping[str, Access]
    acts: Acts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers calls."""

    server: grpc.aio.Server
    port: int
    health: health.aio.HealthServicer
    guard: Guard

    async def stop(self, *, drain: float, grace: float) -> None:
        """Says NOT_SERVING, waits `drain` s for callers to notice, then `grace` s for running calls.

        Streams, which would never end by themselves, end after `drain`.
        """
        await self.health.enter_graceful_shutdown()
        await asyncio.sleep(drain)
        self.guard.end_streams()
        await self.server.stop(grace)


async def start(
    service: Service,
    *,
    host: str,
    port: int,
    verifier: Verifier,
    tls: TLS = PLAIN,
    connection_age: float = CONNECTION_AGE,
) -> Running:
    """Starts to serve; raises OSError when the port is taken or a certificate can't be read.

    Connections end when they are `connection_age` s old, and their callers look the name up again.
    """
    guard = Guard(service.descriptor, service.access, verifier, service.acts)
    options = (*SERVER_OPTIONS, ("grpc.max_connection_age_ms", int(connection_age * 1000)))
    server = grpc.aio.server(interceptors=[guard], options=options)
    service.add(server)
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    names = (service.descriptor.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    try:
        bound = _listen(server, f"{host}:{port}", tls)
    except RuntimeError as error:  # grpc tells it so
        raise OSError(f"port {port} is taken: stop what listens there or choose another") from error
    await server.start()
    for name in ("", service.descriptor.full_name):
        await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    logger.info("%s ready on %s:%s", service.descriptor.full_name, host, bound)
    return Running(server, bound, healthy, guard)


def _listen(server: grpc.aio.Server, address: str, tls: TLS) -> int:
    credentials = tls.server()
    if credentials is None:
        return server.add_insecure_port(address)
    return server.add_secure_port(address, credentials)

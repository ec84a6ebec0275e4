"""gRPC server of every service, with the guard, health, reflection, and a stop that drains."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from kit.auth.sessions import Verifier
from kit.net import listening
from kit.net.open_files import within_open_files
from kit.net.tls import PLAIN, TLS
from kit.rpc import health as rpc_health
from kit.rpc import readiness
from kit.rpc.guard import Guard, Service
from kit.rpc.health import Health
from kit.rpc.limits import DEFAULTS, MAX_ANSWER, OFF, Limits, metadata_options

logger = logging.getLogger(__name__)
# gRPC logs this with a traceback whenever a caller disconnects during a response.
CALLER_LEFT = "ExecuteBatchError raised in core by servicer method"
logging.getLogger("grpc._cython.cygrpc").addFilter(
    lambda record: not str(record.msg).startswith(CALLER_LEFT)
)

# Seconds. Clients look up a name's replicas again when a connection ends.
CONNECTION_AGE = 300.0
# Seconds that calls get to finish on an expired connection: exports take up to 15 minutes.
CONNECTION_GRACE = 960.0
# Calls waiting for a handler. Above its default of 2,000, which a few dozen connections exceed, gRPC drops
# random calls with CANCELLED.
SOFT_MAX_PENDING, MAX_PENDING = 10_000, 12_000


def server_options(limits: Limits, connection_age: float) -> tuple[tuple[str, int], ...]:
    """Return gRPC's options for a server."""
    return (
        *metadata_options(limits.metadata_bytes),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.server.max_pending_requests", SOFT_MAX_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING),
        ("grpc.max_send_message_length", MAX_ANSWER),
        ("grpc.max_receive_message_length", limits.request_bytes),
        # Otherwise the window, and so the memory for unread requests, grows with what a caller sends.
        ("grpc.http2.bdp_probe", 0),
        # Otherwise two copies of a service on one port would silently share the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_connection_age_ms", int(connection_age * 1000)),
        ("grpc.max_connection_age_grace_ms", int(CONNECTION_GRACE * 1000)),
        ("grpc.max_connection_idle_ms", int(min(limits.idle_seconds, OFF / 1000) * 1000)),
        # Milliseconds for the TLS and HTTP/2 handshakes; the default is two minutes.
        ("grpc.server_handshake_timeout_ms", 10_000),
        # Milliseconds. Our clients ping every 3 s, for which the default of 300 s would disconnect them.
        ("grpc.http2.min_ping_interval_without_data_ms", 2_000),
        ("grpc.keepalive_permit_without_calls", 1),
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A running server."""

    server: grpc.aio.Server
    port: int
    health: Health
    guard: Guard
    forget: Callable[[], None]

    async def stop(self, *, drain: float, grace: float) -> None:
        """Report NOT_SERVING for `drain` seconds, then end all streams and give calls `grace` seconds."""
        self.health.stop()
        await asyncio.sleep(drain)
        self.guard.end_streams()
        await self.server.stop(grace)
        self.guard.bounds.close()
        self.forget()


async def start(
    *services: Service,
    host: str,
    port: int,
    verifier: Verifier,
    tls: TLS = PLAIN,
    connection_age: float = CONNECTION_AGE,
    limits: Limits = DEFAULTS,
    settings: str = "",
    health: Health | None = None,
) -> Running:
    """Start a server for one or more services.

    Raises StartError if the port can't be opened, OSError if a certificate can't be read.

    `settings` is the common prefix of the settings for host and port, such as CATALOGUE. Connections end
    after `connection_age` seconds, whereupon clients look up the name again.
    """
    guard = Guard(services, verifier, limits)
    if limits.connections < OFF:
        limits = replace(limits, connections=within_open_files(limits.connections))
    options = server_options(limits, connection_age)
    server = grpc.aio.server(interceptors=[guard], options=options)
    for service in services:
        service.add(server)
    healthy = health or Health()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    names = [service.name for service in services]
    reflection.enable_server_reflection((*names, rpc_health.NAME, reflection.SERVICE_NAME), server)
    credentials = tls.server()
    with listening.at(host, port, settings):
        listening.check(host, port)
        bound = _listen(server, f"{host}:{port}", credentials)
    await server.start()
    for name in ("", *names):
        healthy.set(name, serving=True)
    logger.info("%s ready on %s:%s", " and ".join(names), host, bound)
    guard.bounds.port = bound
    forget = readiness.add(lambda: healthy.serving)
    return Running(server, bound, healthy, guard, forget)


def _listen(
    server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None
) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:  # gRPC gives no reason
        raise OSError(
            "gRPC's library gives no reason; the port is free, so look at the files of GRPC_TLS_CERT_FILE,"
            " GRPC_TLS_KEY_FILE and GRPC_TLS_CA_FILE"
        ) from error

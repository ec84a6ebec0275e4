"""Limits of one gRPC server: connections, calls, sizes, and unread responses."""

from dataclasses import dataclass

from kit.auth.token_size import MAX_TOKEN_BYTES
from kit.values.env import Env

# High enough to disable a limit.
OFF = 1_000_000_000
# Bytes of metadata. gRPC's default refuses random calls above 8 kB, and all above 16 kB.
METADATA_SIZE = 2 * MAX_TOKEN_BYTES
# Bytes of a response. The largest is the whole catalogue, about 6 MB.
MAX_ANSWER = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server process; `docs/security.md` says what each protects.

    `calls` and `calls_without_session` limit unfinished calls, `calls_at_work` the concurrent ones without
    a session, and `unread_bytes` the responses that callers have not read yet.
    """

    connections: int = 1_000
    streams: int = 100
    calls: int = 10_000
    calls_without_session: int = 400
    calls_at_work: int = 8
    unread_bytes: int = 48 * 2**20
    unread_seconds: float = 10.0
    request_bytes: int = 256 * 2**10
    request_seconds: float = 10.0
    metadata_bytes: int = METADATA_SIZE
    idle_seconds: float = 300.0

    # Over 60 lines because it declares every variable with its help.
    @classmethod
    def read(cls, env: Env) -> "Limits":

        def count(name: str, help_text: str, default: int, low: int = 1) -> int:
            return env.integer(name, help_text, default, low=low, high=OFF)

        default = cls()
        return cls(
            connections=count(
                "GRPC_MAX_CONNECTIONS",
                "Maximum number of open connections of a gRPC server; further ones are closed"
                " immediately. Lowered automatically if the operating system allows fewer open files.",
                default.connections,
            ),
            streams=count(
                "GRPC_MAX_STREAMS_PER_CONNECTION",
                "Maximum number of concurrent calls of one connection. The system's own clients"
                " open another connection for more.",
                default.streams,
            ),
            calls=count(
                "GRPC_MAX_CALLS",
                "Maximum number of calls in flight with a session, including streams, of one"
                " process. Above it, calls fail with RESOURCE_EXHAUSTED, starting with the host"
                " that has the most.",
                default.calls,
            ),
            calls_without_session=count(
                "GRPC_MAX_CALLS_WITHOUT_SESSION",
                "Maximum number of calls in flight without a session, including health checks"
                " and reflection.",
                default.calls_without_session,
            ),
            calls_at_work=count(
                "GRPC_MAX_WORK_WITHOUT_SESSION",
                "Maximum number of calls without a session that a process handles concurrently."
                " The others wait; the connection that recently received the fewest bytes goes"
                " first.",
                default.calls_at_work,
            ),
            unread_bytes=count(
                "GRPC_MAX_UNREAD_BYTES",
                "Maximum number of bytes of responses that callers have not read yet, in one"
                " process; memory use is twice as high. One connection may hold a quarter of it."
                " Above it, connections that do not read are closed, and further responses fail"
                " with RESOURCE_EXHAUSTED.",
                default.unread_bytes,
                low=65_536,
            ),
            unread_seconds=env.number(
                "GRPC_SEND_SECONDS",
                "How long a caller may take to read one response, in seconds, before its"
                " connection is closed.",
                default.unread_seconds,
                low=0.1,
                high=OFF,
            ),
            request_bytes=count(
                "GRPC_MAX_REQUEST_BYTES",
                "Maximum size of a request message, in bytes.",
                default.request_bytes,
                low=1_024,
            ),
            request_seconds=env.number(
                "GRPC_REQUEST_SECONDS",
                "How long a caller may take to send its request after opening the call, in"
                " seconds.",
                default.request_seconds,
                low=0.1,
                high=OFF,
            ),
            metadata_bytes=count(
                "GRPC_MAX_METADATA_BYTES",
                "Maximum size of the metadata of one call, in bytes; an access token must fit.",
                default.metadata_bytes,
                low=1_024,
            ),
            idle_seconds=env.number(
                "GRPC_MAX_IDLE_SECONDS",
                "Time after which an idle connection is closed, in seconds; callers then open"
                " another one.",
                default.idle_seconds,
                low=1,
                high=OFF,
            ),
        )


DEFAULTS = Limits()


def metadata_options(limit: int = METADATA_SIZE) -> tuple[tuple[str, int], ...]:
    """Return gRPC's options for the size of metadata; above twice the limit, a call always fails."""
    return (("grpc.max_metadata_size", limit), ("grpc.absolute_max_metadata_size", 2 * limit))

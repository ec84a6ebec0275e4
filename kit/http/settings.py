"""Limits for the clients of an HTTP server: connections, times, and buffered bytes."""

from dataclasses import dataclass

from kit.net.client_address import Networks
from kit.values.env import Env

# Bytes of a response that a client must read in `send_seconds`, unless less is left.
STEP = 64 * 1024


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """Limits of one process. Connections of `trusted_proxies` count toward their clients."""

    max_connections: int = 8_000
    # A browser opens six, and many users of an office or a mobile carrier share an address.
    max_connections_per_address: int = 150
    max_head: int = 48 * 1024  # bytes, including the longest access token
    websocket_rate: float = 16 * 1024.0  # bytes per second
    header_seconds: float = 10.0
    body_seconds: float = 10.0
    idle_seconds: float = 75.0  # longer than the 60 of most proxies, which should close first
    send_seconds: float = 10.0  # a phone that changes networks needs a few
    max_unsent: int = 64 * 2**20  # bytes: ten of the largest responses
    trusted_proxies: Networks = ()

    # Over 60 lines because it declares every variable with its help.
    @classmethod
    def read(cls, env: Env, trusted_proxies: Networks) -> "HTTPSettings":
        default = cls()
        return cls(
            max_connections=env.integer(
                "HTTP_MAX_CONNECTIONS",
                "Maximum number of client connections of one process. Lowered automatically"
                " if the operating system allows fewer open files.",
                default.max_connections,
                low=10,
                high=1_000_000,
            ),
            max_connections_per_address=env.integer(
                "HTTP_MAX_CONNECTIONS_PER_ADDRESS",
                "Maximum number of connections of one network address to one process. For a"
                " client behind a trusted proxy: maximum number of concurrent requests.",
                default.max_connections_per_address,
                low=1,
                high=1_000_000,
            ),
            max_head=env.integer(
                "HTTP_MAX_HEAD",
                "Maximum size of the request line and headers of a request together, in bytes.",
                default.max_head,
                low=16_384,
                high=1_073_741_824,
            ),
            websocket_rate=env.number(
                "HTTP_WEBSOCKET_RATE",
                "Average number of bytes per second read from one WebSocket, with bursts of three"
                " seconds' worth. Data above the limit is read later.",
                default.websocket_rate,
                low=1_024,
                high=1_000_000_000,
            ),
            header_seconds=_seconds(
                env,
                "HTTP_HEADER_SECONDS",
                "How long a client may take to send the head of a request, in seconds. For the"
                " first request this counts from the moment of connecting.",
                default.header_seconds,
            ),
            body_seconds=_seconds(
                env,
                "HTTP_BODY_SECONDS",
                "How long a client may take to send the body of a request, in seconds.",
                default.body_seconds,
            ),
            idle_seconds=_seconds(
                env,
                "HTTP_IDLE_SECONDS",
                "How long an idle connection stays open between two requests, in seconds. Choose"
                " a longer time than your proxy's idle timeout, so that the proxy closes the"
                " connection first.",
                default.idle_seconds,
            ),
            send_seconds=_seconds(
                env,
                "HTTP_SEND_SECONDS",
                "How long a client may take to read 64 KiB of a response or stream (or the rest"
                " of it, if less remains), in seconds, before its connection is closed.",
                default.send_seconds,
            ),
            max_unsent=env.integer(
                "HTTP_MAX_UNSENT",
                "Maximum number of bytes that may be buffered in one process for slow"
                " readers. Above it, the network address with the most buffered bytes loses a"
                " connection.",
                default.max_unsent,
                low=1_048_576,
                high=1_099_511_627_776,
            ),
            trusted_proxies=trusted_proxies,
        )


def _seconds(env: Env, name: str, help_text: str, default: float) -> float:
    return env.number(name, help_text, default, low=0.1, high=86_400)
